/* Many WebSocket clients in one process, cheap enough not to be what is measured.
 *
 *   load PORT [CONTROL_PORT]
 *
 * Commands come on standard input, one a line; each is answered by one JSON object on a line.
 *   sessions FILE           what connections say: records of a 32-bit length and bytes, little-endian; the first is the
 *                           request for the upgrade, the others what each connection says after it, in turn; if the
 *                           first is empty, the others are whole requests, and answered with events
 *   open N FLIGHT FRAMES    open N connections, FLIGHT at a time; one is open when it has read FRAMES text frames
 *   loop SECONDS K [FRAMES] ask for ticks of K messages, the next when half of the last has arrived, which is FRAMES
 *                           text frames a client, K if they are not told
 *   spaced COUNT MS         ask for COUNT ticks, MS apart or more; tells when the last byte of each arrived
 *   hold SECONDS            do nothing but answer pings, which is done between orders too
 *   churn SECONDS RATE FRAMES ROOMS  hold, while RATE times a second by turns a client leaves without a goodbye and comes
 *                           back, which takes FRAMES text frames, and one goes from its room to the next of ROOMS
 *   steady SECONDS RATE BYTE  send a byte to the server RATE times a second, whatever comes of it
 *   ask BYTE                send a byte to the server, which answers for itself
 *   lines                   count lines of text frames, not frames: the server puts several messages into one
 *   cut                     drop all connections at once, without a goodbye
 */
#include "clients.h"

#include <poll.h>

enum { EVENTS = 1024 };
enum state { CONNECTING, UPGRADING, TALKING };

struct connection {
  int fd;
  enum state state;
  uint32_t matched;   /* of the blank line that ends the response's head */
  uint64_t skip;      /* bytes of the current frame's payload still to come */
  uint8_t header[10]; /* of a frame, as far as it has come */
  uint8_t headed;
  uint64_t frames;    /* text frames that have come whole */
  int subscription;   /* the id of its last one */
  int counted;        /* whether the frame under way is a text, or an event's last byte was a line's end */
};

static struct connection connections[MOST];
static int count, epoll, control, by_line;
static uint64_t frames, bytes, lost;
static char buffer[1 << 18];

static void say(int fd, const void *data, size_t size) {
  if (size && send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) lost++;
}

static void begin(int index) {
  struct connection *c = &connections[index];
  memset(c, 0, sizeof *c);
  c->fd = begin_connection();
  c->subscription = 1;
  struct epoll_event event = {.events = EPOLLOUT, .data.u32 = index};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

/* Follow the frames in what has come. */
static void follow(struct connection *c, const uint8_t *data, size_t size) {
  while (size) {
    if (c->skip) {
      uint64_t part = c->skip < size ? c->skip : size;
      if (by_line && c->counted)
        for (const uint8_t *at = data; (at = memchr(at, '\n', data + part - at)); at++) c->frames++, frames++;
      c->skip -= part, data += part, size -= part;
    } else {
      c->header[c->headed++] = *data++, size--;
      if (c->headed < 2) continue;
      uint8_t length = c->header[1] & 127;
      if (length == 126 && c->headed < 4) continue;
      if (length == 127 && c->headed < 10) continue;
      c->skip = length;
      if (length == 126) c->skip = c->header[2] << 8 | c->header[3];
      if (length == 127) {
        c->skip = 0;
        for (int i = 2; i < 10; i++) c->skip = c->skip << 8 | c->header[i];
      }
      c->counted = (c->header[0] & 15) == 1;
      if ((c->header[0] & 15) == 9) say(c->fd, "\x8a\x80\1\2\3\4", 6);
      if ((c->header[0] & 15) == 8) lost++;
      c->headed = 0;
    }
    if (!c->skip && !c->headed && c->counted) c->frames++, frames++, c->counted = 0;
  }
}

/* Follow server-sent events, each of which ends with an empty line. */
static void follow_events(struct connection *c, const char *data, size_t size) {
  for (const char *end = data + size; data < end; data++) {
    if (*data == '\n' && c->counted) c->frames++, frames++;
    c->counted = *data == '\n' && !c->counted;
  }
}

static void speak(struct connection *c, int index) {
  if (recorded < 2) return;
  int record = 1 + index % (recorded - 1);
  say(c->fd, records[record], lengths[record]);
}

static void serve(struct connection *c, int index) {
  int upgrades = lengths[0] > 0;
  if (c->state == CONNECTING) {
    end_connection(c->fd);
    c->state = UPGRADING;
    if (upgrades) say(c->fd, records[0], lengths[0]);
    else speak(c, index);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
    return;
  }
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    lost++;
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
    return;
  }
  bytes += got;
  ssize_t at = 0;
  if (c->state == UPGRADING) {
    at = head_end(&c->matched, buffer, got);
    if (c->matched < 4) return;
    c->state = TALKING;
    if (upgrades) speak(c, index);
  }
  if (upgrades) follow(c, (uint8_t *)buffer + at, got - at);
  else follow_events(c, buffer + at, got - at);
}

static int turn(int timeout_ms) {
  static struct epoll_event events[EVENTS];
  int n = epoll_wait(epoll, events, EVENTS, timeout_ms);
  for (int i = 0; i < n; i++) serve(&connections[events[i].data.u32], events[i].data.u32);
  return n;
}

static void open_all(int total, int flight, uint64_t wanted) {
  double begun = now(), until = begun + 600;
  int begins = 0, done = 0;
  char *open = calloc(total, 1);
  count = total;
  frames = lost = 0;
  while (done < total && now() < until && !lost) {
    while (begins < total && begins - done < flight) begin(begins++);
    static struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll, events, EVENTS, 1000);
    for (int i = 0; i < n; i++) {
      int index = events[i].data.u32;
      struct connection *c = &connections[index];
      serve(c, index);
      if (!open[index] && c->state == TALKING && c->frames >= wanted) open[index] = 1, done++;
    }
  }
  free(open);
  printf("{\"opened\": %d, \"seconds\": %.6f, \"lost\": %llu}\n", done, now() - begun, (unsigned long long)lost);
}

static void ask(uint8_t k) { say(control, &k, 1); }

static void drain(uint64_t until_frames) {
  double until = now() + 120;
  while (frames < until_frames && now() < until) turn(100);
}

static void loop(double seconds, int k, int each) {
  uint64_t ticks = 0, per_tick = (uint64_t)count * each;
  frames = bytes = lost = 0;
  double begun = now();
  while (now() - begun < seconds) {
    if (frames * 2 >= (2 * ticks - 1) * per_tick || !ticks) ask(k), ticks++;
    turn(100);
  }
  drain(ticks * per_tick);
  printf("{\"frames\": %llu, \"expected\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"lost\": %llu}\n",
         (unsigned long long)frames, (unsigned long long)(ticks * per_tick), (unsigned long long)bytes,
         now() - begun, (unsigned long long)lost);
}

static void spaced(int ticks, double gap) {
  printf("{\"seconds\": [");
  for (int i = 0; i < ticks; i++) {
    frames = 0;
    double begun = now();
    ask(1);
    drain(count);
    printf("%s%.6f", i ? ", " : "", now() - begun);
    double rest = now() - begun;
    double until = begun + (2 * rest > gap ? 2 * rest : gap);
    while (now() < until) turn(1);
  }
  printf("]}\n");
}

static void hold(double seconds) {
  double until = now() + seconds;
  frames = bytes = lost = 0;
  while (now() < until) turn(50);
  printf("{\"frames\": %llu, \"bytes\": %llu, \"lost\": %llu}\n", (unsigned long long)frames,
         (unsigned long long)bytes, (unsigned long long)lost);
}

static void say_text(int fd, const char *text) {
  static const char mask[4] = {1, 2, 3, 4};
  char out[256];
  size_t size = strlen(text);
  out[0] = (char)0x81, out[1] = (char)(0x80 | 126), out[2] = size >> 8, out[3] = size & 255;
  memcpy(out + 4, mask, 4);
  for (size_t i = 0; i < size; i++) out[8 + i] = text[i] ^ mask[i & 3];
  say(fd, out, 8 + size);
}

static void go_to(struct connection *c, int room) {
  char text[200];
  snprintf(text, sizeof text, "{\"type\":\"unsubscribe\",\"ids\":[%d]}", c->subscription);
  say_text(c->fd, text);
  snprintf(text, sizeof text,
           "{\"type\":\"subscribe\",\"stores\":[{\"id\":%d,\"name\":\"room\",\"params\":{\"room\":\"r%d\"}}]}",
           ++c->subscription, room);
  say_text(c->fd, text);
}

static void churn(double seconds, double rate, uint64_t wanted, int rooms) {
  static uint64_t turns;
  double begun = now();
  uint64_t left = 0, moved = 0;
  frames = bytes = lost = 0;
  while (now() - begun < seconds) {
    if (now() - begun >= (left + moved) / rate) {
      int index = turns++ % count;
      struct connection *c = &connections[index];
      if (c->frames >= wanted && left > moved) {
        go_to(c, (index + c->subscription) % rooms), moved++;
      } else if (c->frames >= wanted) {
        close(c->fd);
        begin(index), left++;
      }
    }
    turn(5);
  }
  double until = now() + 120;
  int back = 0;
  while (back < count && now() < until) {
    turn(100);
    back = 0;
    for (int i = 0; i < count; i++) back += connections[i].frames >= wanted;
  }
  printf("{\"left\": %llu, \"moved\": %llu, \"frames\": %llu, \"bytes\": %llu, \"dropped\": %llu}\n",
         (unsigned long long)left, (unsigned long long)moved, (unsigned long long)frames, (unsigned long long)bytes,
         (unsigned long long)lost + count - back);
}

static void steady(double seconds, double rate, int order) {
  double begun = now();
  uint64_t ticks = 0;
  frames = lost = 0;
  while (now() - begun < seconds) {
    if (now() - begun >= ticks / rate) ask(order), ticks++;
    turn(5);
  }
  printf("{\"ticks\": %llu, \"frames\": %llu, \"lost\": %llu}\n", (unsigned long long)ticks,
         (unsigned long long)frames, (unsigned long long)lost);
}

static void cut(void) {
  for (int i = 0; i < count; i++) close(connections[i].fd);
  printf("{\"cut\": %d}\n", count);
  count = 0;
}

/* Until there is an order, connections go on answering pings. */
static char *next_order(char *line, int size) {
  struct pollfd waiting[] = {{.fd = 0, .events = POLLIN}, {.fd = epoll, .events = POLLIN}};
  while (poll(waiting, 2, -1) >= 0 && !waiting[0].revents) turn(0);
  return fgets(line, size, stdin);
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) return 2;
  epoll = epoll_create1(0);
  if (argc == 3) {
    server_at(atoi(argv[2]));
    control = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(control, (struct sockaddr *)&address, sizeof address) < 0) die("control");
    int one = 1;
    setsockopt(control, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  server_at(atoi(argv[1]));
  char line[4096], path[4096];
  while (next_order(line, sizeof line)) {
    int a, b, c;
    double seconds, rate;
    if (sscanf(line, "churn %lf %lf %d %d", &seconds, &rate, &a, &b) == 4) churn(seconds, rate, a, b);
    else if (sscanf(line, "sessions %4095s", path) == 1) read_sessions(path), printf("{\"records\": %d}\n", recorded);
    else if (sscanf(line, "open %d %d %d", &a, &b, &c) == 3) open_all(a, b, c);
    else if (sscanf(line, "loop %lf %d %d", &seconds, &a, &b) == 3) loop(seconds, a, b);
    else if (sscanf(line, "loop %lf %d", &seconds, &a) == 2) loop(seconds, a, a);
    else if (sscanf(line, "spaced %d %lf", &a, &seconds) == 2) spaced(a, seconds / 1000);
    else if (sscanf(line, "hold %lf", &seconds) == 1) hold(seconds);
    else if (sscanf(line, "steady %lf %lf %d", &seconds, &rate, &a) == 3) steady(seconds, rate, a);
    else if (sscanf(line, "ask %d", &a) == 1) ask(a), printf("{}\n");
    else if (!strncmp(line, "lines", 5)) by_line = 1, printf("{}\n");
    else if (!strncmp(line, "cut", 3)) cut();
    else printf("{}\n");
    fflush(stdout);
  }
  return 0;
}
