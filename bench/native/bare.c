/* The least that an action's way can take beside the database: what sockets and Redis alone cost.
 *
 *   bare REDIS_SOCKET COUNT SIZE
 *
 * A hop is from XADD of SIZE bytes until another connection, blocked in XREAD, has them; a trip is SIZE bytes over TCP to
 * another process and back. Each is done COUNT times, a millisecond apart; the answer has their medians, in seconds.
 */
#include "clients.h"

#include <sys/un.h>
#include <sys/wait.h>

enum { MOST_BYTES = 4096 };

static char buffer[1 << 16], data[MOST_BYTES];

static int by_time(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *times, int count) {
  qsort(times, count, sizeof *times, by_time);
  return times[count / 2];
}

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

static void send_all(int fd, const char *bytes, size_t size) {
  if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) die("send");
}

static int redis_at(const char *path) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un where = {.sun_family = AF_UNIX};
  strncpy(where.sun_path, path, sizeof where.sun_path - 1);
  if (connect(fd, (struct sockaddr *)&where, sizeof where) < 0) die(path);
  return fd;
}

static double hop(const char *path, int count, size_t size, double *times) {
  int writer = redis_at(path), reader = redis_at(path);
  char command[MOST_BYTES + 256], id[32];
  send_all(writer, "DEL bare\r\n", 10);
  if (recv(writer, buffer, sizeof buffer, 0) <= 0) die("DEL");
  for (int i = 1; i <= count; i++) {
    int length = snprintf(command, sizeof command, "XREAD BLOCK 5000 STREAMS bare %d-0\r\n", i - 1);
    send_all(reader, command, length);
    rest();
    int named = snprintf(id, sizeof id, "%d-0", i);
    length = snprintf(command, sizeof command, "*5\r\n$4\r\nXADD\r\n$4\r\nbare\r\n$%d\r\n%s\r\n$4\r\ndata\r\n$%zu\r\n", named,
                      id, size);
    memcpy(command + length, data, size);
    memcpy(command + length + size, "\r\n", 2);
    double begun = now();
    send_all(writer, command, length + size + 2);
    for (size_t got = 0; got < size;) {
      ssize_t part = recv(reader, buffer, sizeof buffer, 0);
      if (part <= 0 || buffer[0] == '-') die("XREAD");
      got += part;
    }
    times[i - 1] = now() - begun;
    if (recv(writer, buffer, sizeof buffer, 0) <= 0 || buffer[0] == '-') die("XADD");
  }
  send_all(writer, "DEL bare\r\n", 10);
  if (recv(writer, buffer, sizeof buffer, 0) <= 0) die("DEL");
  return median(times, count);
}

static double trip(int count, size_t size, double *times) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  socklen_t length = sizeof address;
  server_at(0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  pid_t child = fork();
  if (!child) {
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) send_all(fd, buffer, got);
    exit(0);
  }
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  for (int i = 0; i < count; i++) {
    rest();
    double begun = now();
    send_all(fd, data, size);
    for (size_t got = 0; got < size;) {
      ssize_t part = recv(fd, buffer, sizeof buffer, 0);
      if (part <= 0) die("recv");
      got += part;
    }
    times[i] = now() - begun;
  }
  close(fd);
  waitpid(child, NULL, 0);
  return median(times, count);
}

int main(int argc, char **argv) {
  if (argc != 4 || atoi(argv[3]) > MOST_BYTES) return 2;
  int count = atoi(argv[2]);
  size_t size = atoi(argv[3]);
  double *times = calloc(count, sizeof *times);
  memset(data, 'x', sizeof data);
  double hopped = hop(argv[1], count, size, times), tripped = trip(count, size, times);
  printf("{\"hop\": %.7f, \"trip\": %.7f}\n", hopped, tripped);
  return 0;
}
