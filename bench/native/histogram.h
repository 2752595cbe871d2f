/* How often which latency was seen, in bins no wider than 1/64 of where they begin. */
#include <stdint.h>
#include <stdio.h>

enum { FINE = 6, BINS = (65 - FINE) << FINE };

static uint64_t histogram[BINS];

/* Below 128 every number has a bin of its own; above, each doubling has 64. */
static int bin_of(uint64_t value) {
  int shift = value >> FINE ? 63 - __builtin_clzll(value) - FINE : 0;
  return (shift << FINE) + (int)(value >> shift);
}

static uint64_t bin_begins(int bin) {
  int shift = bin < 2 << FINE ? 0 : (bin >> FINE) - 1;
  return (uint64_t)(bin - (shift << FINE)) << shift;
}

static void note(uint64_t value) { histogram[bin_of(value)]++; }

/* The bins with something in them, as JSON: where each begins and ends, and how much it holds. */
static void print_histogram(void) {
  const char *between = "";
  printf("[");
  for (int bin = 0; bin < BINS - 1; bin++) {
    if (!histogram[bin]) continue;
    printf("%s[%llu, %llu, %llu]", between, (unsigned long long)bin_begins(bin), (unsigned long long)bin_begins(bin + 1),
           (unsigned long long)histogram[bin]);
    between = ", ";
  }
  printf("]");
}
