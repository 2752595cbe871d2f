/* The floor of a fan-out: what the kernel alone costs. A loop of send() over all connections, of ready frames.
 *
 *   floor PORT CONTROL_PORT FRAME_FILE
 *
 * A byte k on the control connection is a tick of k messages: one send() of k frames to each. It shakes no hands: any
 * request is answered by the same response, and what clients say is thrown away.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 30000, EVENTS = 1024, TICK = 64 };

static int clients[MOST], clients_count;
static char frames[TICK * 4096], buffer[1 << 16];
static size_t frame_size;

static int listen_at(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) exit(1);
  return fd;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void tick(int k) {
  size_t size = frame_size * k;
  for (int i = 0; i < clients_count; i++)
    if (send(clients[i], frames, size, MSG_NOSIGNAL) != (ssize_t)size) {
      fprintf(stderr, "floor: a send fell short: %s\n", strerror(errno));
      exit(1);
    }
}

int main(int argc, char **argv) {
  static const char response[] =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  if (argc != 4) return 2;
  FILE *file = fopen(argv[3], "rb");
  if (!file) return 1;
  frame_size = fread(frames, 1, 4096, file);
  for (int i = 1; i < TICK; i++) memcpy(frames + i * frame_size, frames, frame_size);
  int epoll = epoll_create1(0), port = listen_at(atoi(argv[1])), controls = listen_at(atoi(argv[2]));
  int control = -1, one = 1;
  watch(epoll, port), watch(epoll, controls);
  puts("ready"), fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == controls) {
        control = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
        watch(epoll, control);
      } else if (fd == port) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(epoll, client);
      } else {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (fd == control) {
          if (got <= 0) return 0;
          for (ssize_t j = 0; j < got; j++) tick(buffer[j]);
        } else if (got <= 0) {
          close(fd);
        } else if (buffer[0] == 'G') {
          clients[clients_count++] = fd;
          send(fd, response, sizeof response - 1, MSG_NOSIGNAL);
        }
      }
    }
  }
}
