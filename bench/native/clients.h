/* What our programs that are many WebSocket clients at once have in common. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 30000 };

static struct sockaddr_in address;
/* What connections say; the first is the request for the upgrade. */
static char **records;
static uint32_t *lengths;
static int recorded;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

/* Read a whole file into memory of its own. */
static char *read_file(const char *path, long *size) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path);
  fseek(file, 0, SEEK_END);
  *size = ftell(file);
  rewind(file);
  char *bytes = malloc(*size + 1);
  if (fread(bytes, 1, *size, file) != (size_t)*size) die(path);
  fclose(file);
  return bytes;
}

/* Read a file of records: a 32-bit length and as many bytes each, little-endian. */
static void read_sessions(const char *path) {
  static char *sessions;
  long size;
  free(sessions), free(records), free(lengths);
  sessions = read_file(path, &size);
  records = malloc(sizeof *records * MOST), lengths = malloc(sizeof *lengths * MOST);
  recorded = 0;
  for (long at = 0; at < size && recorded < MOST; recorded++) {
    memcpy(&lengths[recorded], sessions + at, 4);
    records[recorded] = sessions + at + 4;
    at += 4 + lengths[recorded];
  }
}

/* Connections go to this port of our machine from now on. */
static void server_at(int port) {
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/* Begin to connect; the socket can be written to when that is done. */
static int begin_connection(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  if (fd < 0) die("socket");
  struct linger hard = {1, 0}; /* no TIME_WAIT: there are only 28,000 ports */
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

static void end_connection(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) { errno = error; die("connect"); }
}

/* Follow the head of a response to its blank line, of which `matched` bytes of 4 have come; how much was of the head. */
static ssize_t head_end(uint32_t *matched, const char *data, ssize_t size) {
  ssize_t at = 0;
  for (; at < size && *matched < 4; at++)
    *matched = data[at] == "\r\n\r\n"[*matched] ? *matched + 1 : data[at] == '\r';
  return at;
}
