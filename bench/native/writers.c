/* Many writers in one process: each subscribes to a room, writes into it, and waits for its own words to come back.
 *
 *   writers PORT ROOMS
 *
 * Commands come on standard input, one a line; each is answered by one JSON object on a line.
 *   sessions FILE           the request for the upgrade, then what each connection says after it: hello, its room's
 *                           subscription, and action 1, which joins the room
 *   open N                  open N connections; one is open when it has its room and the outcome of action 1
 *   closed SECONDS K        each writer has K actions under way; one is over when its outcome and its message have come
 *   paced SECONDS RATE      RATE actions a second by all writers in turn, whatever comes of them; the times are of
 *                           messages, from when they were due to be sent
 *   cut                     drop all connections at once, without a goodbye
 *
 * The writer of index i writes into room i modulo ROOMS. What is answered counts what came in the time asked for; what
 * was still under way then is waited for, and whatever does not come is `lost`.
 */
#include "clients.h"
#include "frames.h"

enum { EVENTS = 256, FLIGHT = 64, WAIT = 30, MARK = 16 };
enum state { CONNECTING, UPGRADING, TALKING };

struct writer {
  int fd;
  enum state state;
  uint32_t matched;
  struct partial partial;
  int rooms, joined;
  /* Numbers go on from run to run; the rest counts from `first`, the last number before this run. */
  uint64_t number, first, sent, outcomes, seen;
};

static struct writer writers[MOST];
static int count, rooms, epoll;
static uint64_t sent, outcomes, seen, refused, lost, frames;
static char buffer[1 << 18];

/* Of the run that is paced. */
static double *times;
static uint64_t times_room;
static double began, rate;

static void say(struct writer *w, const char *data, size_t size) {
  if (send(w->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) lost++;
}

static size_t frame_of(char *out, struct writer *w, int index) {
  static const char mask[4] = {1, 2, 3, 4};
  char text[512];
  unsigned long long number = ++w->number;
  /* A body as long as that of `bench sql`; its beginning is how a writer knows its own. */
  size_t size = snprintf(text, sizeof text,
                         "{\"type\":\"dispatch\",\"lane\":0,\"number\":%llu,\"name\":\"post_message\",\"params\":"
                         "{\"room\":\"r%d\",\"body\":\"#%05d.%09llu a message of usual size\"}}",
                         number, index % rooms, index, number);
  w->sent++, sent++;
  out[0] = (char)0x81, out[1] = (char)(0x80 | 126), out[2] = size >> 8, out[3] = size & 255;
  memcpy(out + 4, mask, 4);
  for (size_t i = 0; i < size; i++) out[8 + i] = text[i] ^ mask[i & 3];
  return 8 + size;
}

static void dispatch(struct writer *w, int index, uint64_t many) {
  size_t size = 0;
  while (many--) {
    size += frame_of(buffer + size, w, index);
    if (size > sizeof buffer - 1024) say(w, buffer, size), size = 0;
  }
  if (size) say(w, buffer, size);
}

/* Look for our own words. They come in our order; what a snapshot steps over has come with it. */
static void look(struct writer *w, int index, const char *text, size_t size) {
  uint64_t newest = w->seen;
  const char *end = text + size;
  for (const char *at = text; (at = memchr(at, '#', end - at)) != NULL; at++) {
    if (end - at < MARK || at[6] != '.' || atoi(at + 1) != index) continue;
    uint64_t number = strtoull(at + 7, NULL, 10);
    if (number > w->first + newest) newest = number - w->first;
  }
  double at = rate ? now() : 0;
  for (; w->seen < newest; w->seen++, seen++)
    if (rate && seen < times_room) times[seen] = at - (began + (w->seen * count + index) / rate);
}

static int begins(const char *text, size_t size, const char *with) {
  size_t length = strlen(with);
  return size >= length && !memcmp(text, with, length);
}

static void take(int index, int opcode, char *text, size_t size) {
  struct writer *w = &writers[index];
  if (opcode == 8) lost++;
  if (opcode == 9) {
    char answer[PONG];
    say(w, answer, pong(answer, text, size));
  }
  if (opcode != 1) return;
  frames++;
  if (begins(text, size, "{\"type\":\"update\"")) {
    look(w, index, text, size);
  } else if (begins(text, size, "{\"type\":\"outcome\"")) {
    int ok = memmem(text, size, "\"status\":\"ok\"", 13) != NULL;
    if (!w->joined) {
      w->joined = ok;
    } else {
      w->outcomes++, outcomes++;
    }
    if (!ok) {
      if (!refused++) fprintf(stderr, "writers: %.*s\n", (int)size, text);
    }
  } else if (begins(text, size, "{\"type\":\"snapshot\"")) {
    w->rooms++;
    look(w, index, text, size);
  } else if (begins(text, size, "{\"type\":\"unsubscribed\"")) {
    fprintf(stderr, "writers: %.*s\n", (int)size, text);
    lost++;
  }
}

static void serve(int index) {
  struct writer *w = &writers[index];
  if (w->state == CONNECTING) {
    end_connection(w->fd);
    w->state = UPGRADING;
    say(w, records[0], lengths[0]);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(epoll, EPOLL_CTL_MOD, w->fd, &event);
    return;
  }
  ssize_t got = recv(w->fd, buffer, sizeof buffer, 0), at = 0;
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    lost++;
    epoll_ctl(epoll, EPOLL_CTL_DEL, w->fd, NULL);
    return;
  }
  if (w->state == UPGRADING) {
    at = head_end(&w->matched, buffer, got);
    if (w->matched < 4) return;
    w->state = TALKING;
    say(w, records[1 + index], lengths[1 + index]);
  }
  take_frames(&w->partial, index, buffer + at, got - at, take);
}

/* Serve what has come, for at most so long; the writers are noted. */
static int turn(double seconds, int *served) {
  static struct epoll_event events[EVENTS];
  struct timespec wait = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
  int n = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
  for (int i = 0; i < n; i++) serve(served[i] = events[i].data.u32);
  return n < 0 ? 0 : n;
}

static void open_all(int total) {
  int served[EVENTS], begun = 0, done = 0;
  double since = now();
  char *open = calloc(total, 1);
  count = total;
  lost = refused = 0;
  while (done < total && now() - since < 2 * WAIT && !lost && !refused) {
    for (; begun < total && begun - done < FLIGHT; begun++) {
      struct writer *w = &writers[begun];
      forget(&w->partial);
      *w = (struct writer){.fd = begin_connection(), .number = 1};
      struct epoll_event event = {.events = EPOLLOUT, .data.u32 = begun};
      epoll_ctl(epoll, EPOLL_CTL_ADD, w->fd, &event);
    }
    int n = turn(1, served);
    for (int i = 0; i < n; i++) {
      struct writer *w = &writers[served[i]];
      if (!open[served[i]] && w->joined && w->rooms) open[served[i]] = 1, done++;
    }
  }
  free(open);
  printf("{\"opened\": %d, \"seconds\": %.6f, \"lost\": %llu}\n", done, now() - since,
         (unsigned long long)(lost + refused));
}

static void reset(void) {
  sent = outcomes = seen = refused = lost = frames = 0;
  for (int i = 0; i < count; i++) {
    writers[i].first = writers[i].number;
    writers[i].sent = writers[i].outcomes = writers[i].seen = 0;
  }
}

static uint64_t over(const struct writer *w) { return w->outcomes < w->seen ? w->outcomes : w->seen; }

static void drain(void) {
  int served[EVENTS];
  double until = now() + WAIT;
  while ((outcomes < sent || seen < sent) && now() < until) turn(0.1, served);
  lost += sent - outcomes + sent - seen + refused;
}

static void closed(double seconds, uint64_t k) {
  int served[EVENTS];
  rate = 0;
  reset();
  double since = now(), took;
  for (int i = 0; i < count; i++) dispatch(&writers[i], i, k);
  while ((took = now() - since) < seconds) {
    int n = turn(0.1, served);
    for (int i = 0; i < n; i++) {
      struct writer *w = &writers[served[i]];
      dispatch(w, served[i], k - (w->sent - over(w)));
    }
  }
  uint64_t done = outcomes < seen ? outcomes : seen;
  drain();
  printf("{\"actions\": %llu, \"seconds\": %.6f, \"all\": %llu, \"frames\": %llu, \"lost\": %llu}\n",
         (unsigned long long)done, took, (unsigned long long)sent, (unsigned long long)frames, (unsigned long long)lost);
}

static int by_time(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void paced(double seconds, double wanted) {
  int served[EVENTS];
  times_room = (uint64_t)(seconds * wanted);
  free(times);
  times = calloc(times_room + 1, sizeof *times);
  reset();
  began = now() + 0.01, rate = wanted;
  double latest = 0;
  while (sent < times_room) {
    double due = began + sent / rate, at = now();
    if (at >= due) {
      if (at - due > latest) latest = at - due;
      int index = sent % count;
      dispatch(&writers[index], index, 1);
    } else {
      turn(due - at, served);
    }
    if (sent % 16 == 0) turn(0, served);
  }
  double took = now() - began;
  drain();
  qsort(times, seen, sizeof *times, by_time);
  uint64_t last = seen ? seen - 1 : 0;
  printf("{\"actions\": %llu, \"seconds\": %.6f, \"p50\": %.6f, \"p90\": %.6f, \"p99\": %.6f, \"max\": %.6f, \"late\": %.6f, "
         "\"lost\": %llu}\n",
         (unsigned long long)seen, took, times[last / 2], times[last * 9 / 10], times[last * 99 / 100], times[last], latest,
         (unsigned long long)lost);
  rate = 0;
}

static void cut(void) {
  for (int i = 0; i < count; i++) close(writers[i].fd);
  printf("{\"cut\": %d}\n", count);
  count = 0;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  epoll = epoll_create1(0);
  server_at(atoi(argv[1]));
  rooms = atoi(argv[2]);
  char line[4096], path[4096];
  while (fgets(line, sizeof line, stdin)) {
    int many;
    double seconds, pace;
    if (sscanf(line, "sessions %4095s", path) == 1) read_sessions(path), printf("{\"records\": %d}\n", recorded);
    else if (sscanf(line, "open %d", &many) == 1) open_all(many);
    else if (sscanf(line, "closed %lf %d", &seconds, &many) == 2) closed(seconds, many);
    else if (sscanf(line, "paced %lf %lf", &seconds, &pace) == 2) paced(seconds, pace);
    else if (!strncmp(line, "cut", 3)) cut();
    else printf("{}\n");
    fflush(stdout);
  }
  return 0;
}
