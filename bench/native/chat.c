/* The clients of a chat, whoever serves it: they say what they are told to when it is due, and everybody in a room waits
 * for every word of it.
 *
 *   chat ROOMS PORT...
 *
 * The client of index i is in room i modulo ROOMS and connects to the port of index i modulo their number. What is said
 * on the wire is made by who runs this; of what comes only marks are looked at: MARK and eight digits, the number of a
 * message, which its text begins with and every server hands on in whatever it makes of it.
 *
 * Commands come on standard input, one a line; each is answered by one JSON object on a line.
 *   sessions FILE           what clients say to begin with: pairs of the request for the upgrade and what follows it, in
 *                           turn
 *   open N FLIGHT FRAMES    open N connections, FLIGHT at a time; one is open when it has read FRAMES text frames
 *   play FILE WARM WAIT     say what the file has, each message when it is due; latency is of those due after WARM
 *                           seconds, and counts from when they were due, whenever they were sent; afterwards, wait at most
 *                           WAIT seconds for what has not come
 *   cut                     drop all connections at once, without a goodbye
 *
 * A file has messages by the time at which they are due: struct message, and as many bytes as it says.
 *
 * It runs before all others if it may, and wakes up twice a millisecond: were it woken by each message, it would be what
 * is measured. So a time is exact to half a millisecond, and never too short.
 */
#include "clients.h"
#include "frames.h"
#include "histogram.h"
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { EVENTS = 256, DIGITS = 8, PORTS = 64 };
enum state { CONNECTING, UPGRADING, TALKING };

static const double PAUSE = 0.0005; /* seconds */
static const char MARK = '#';

struct client {
  int fd;
  enum state state;
  uint32_t matched;
  struct partial partial;
  uint64_t frames; /* text frames that have come whole */
};

struct message {
  double due; /* seconds from the beginning */
  uint32_t sender, number, place, size; /* place: which one it is of its room */
};

static struct client clients[MOST];
static int count, rooms, ports[PORTS], ports_count, epoll;
static uint64_t lost;
static char buffer[1 << 18];

/* Of what is played. */
static struct message *messages;
static char **texts;
static uint64_t messages_count, first;
static uint8_t *seen; /* a bit for each message of its room, client after client */
static size_t seen_size;
static double began, warm, read_at;
static uint64_t delivered, counted, twice, astray;

static void say(int fd, const char *data, size_t size) {
  if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) lost++;
}

static void saw(int index, uint64_t number) {
  /* What was said before this play came too late for its own. */
  if (number < first) return;
  if (number >= first + messages_count) {
    astray++;
    return;
  }
  const struct message *m = &messages[number - first];
  if ((int)(m->sender % rooms) != index % rooms) {
    astray++;
    return;
  }
  uint8_t *byte = seen + index * seen_size + m->place / 8, bit = 1 << m->place % 8;
  if (*byte & bit) {
    twice++;
    return;
  }
  *byte |= bit;
  delivered++;
  if (m->due < warm) return;
  counted++;
  double latency = read_at - began - m->due;
  note(latency > 0 ? latency * 1e6 : 0);
}

/* Whether one of a frame's lines is this: Centrifugo puts messages that come close together into one frame. */
static int has_line(const char *text, size_t size, const char *line) {
  size_t length = strlen(line);
  for (const char *at = text, *end = text + size, *stop; at < end; at = stop + 1) {
    stop = memchr(at, '\n', end - at);
    if (stop == NULL) stop = end;
    if ((size_t)(stop - at) == length && !memcmp(at, line, length)) return 1;
  }
  return 0;
}

static void take(int index, int opcode, char *text, size_t size) {
  struct client *c = &clients[index];
  if (opcode == 8) lost++;
  if (opcode == 9) {
    char answer[PONG];
    say(c->fd, answer, pong(answer, text, size));
  }
  if (opcode != 1) return;
  c->frames++;
  /* The heartbeats of two protocols that bring their own. */
  if (size == 1 && *text == '2') say(c->fd, "\x81\x81\0\0\0\0" "3", 7);
  if (has_line(text, size, "{}")) say(c->fd, "\x81\x82\0\0\0\0{}", 8);
  if (!messages_count) return;
  const char *end = text + size;
  for (const char *at = text; (at = memchr(at, MARK, end - at)) != NULL;) {
    uint64_t number = 0;
    int digits = 0;
    for (at++; digits < DIGITS && at < end && *at >= '0' && *at <= '9'; at++, digits++) number = 10 * number + *at - '0';
    if (digits == DIGITS) saw(index, number);
  }
}

static void serve(int index) {
  struct client *c = &clients[index];
  int session = index % (recorded / 2) * 2;
  if (c->state == CONNECTING) {
    end_connection(c->fd);
    c->state = UPGRADING;
    say(c->fd, records[session], lengths[session]);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
    return;
  }
  ssize_t got = recv(c->fd, buffer, sizeof buffer, 0), at = 0;
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    lost++;
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
    return;
  }
  read_at = now();
  if (c->state == UPGRADING) {
    at = head_end(&c->matched, buffer, got);
    if (c->matched < 4) return;
    c->state = TALKING;
    if (lengths[session + 1]) say(c->fd, records[session + 1], lengths[session + 1]);
  }
  take_frames(&c->partial, index, buffer + at, got - at, take);
}

/* Serve what has come; the clients are noted. */
static int turn(int timeout_ms, int *served) {
  static struct epoll_event events[EVENTS];
  int n = epoll_wait(epoll, events, EVENTS, timeout_ms);
  for (int i = 0; i < n; i++) serve(served[i] = events[i].data.u32);
  return n < 0 ? 0 : n;
}

static void open_all(int total, int flight, uint64_t wanted) {
  int served[EVENTS], begun = 0, done = 0;
  double since = now();
  char *open = calloc(total, 1);
  count = total;
  lost = messages_count = 0;
  while (done < total && now() - since < 120 && !lost) {
    for (; begun < total && begun - done < flight; begun++) {
      struct client *c = &clients[begun];
      forget(&c->partial);
      server_at(ports[begun % ports_count]);
      *c = (struct client){.fd = begin_connection()};
      struct epoll_event event = {.events = EPOLLOUT, .data.u32 = begun};
      epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
    }
    int n = turn(1000, served);
    for (int i = 0; i < n; i++) {
      struct client *c = &clients[served[i]];
      if (!open[served[i]] && c->state == TALKING && c->frames >= wanted) open[served[i]] = 1, done++;
    }
  }
  free(open);
  printf("{\"opened\": %d, \"seconds\": %.6f, \"lost\": %llu}\n", done, now() - since, (unsigned long long)lost);
}

/* Read what is to be said. */
static void read_play(const char *path) {
  static char *play;
  long size;
  free(play), free(messages), free(texts);
  play = read_file(path, &size);
  messages_count = 0;
  for (long at = 0; at < size; messages_count++) {
    struct message m;
    memcpy(&m, play + at, sizeof m);
    at += sizeof m + m.size;
  }
  messages = calloc(messages_count + 1, sizeof *messages), texts = calloc(messages_count + 1, sizeof *texts);
  uint32_t places = 0;
  long at = 0;
  for (uint64_t i = 0; i < messages_count; i++) {
    memcpy(&messages[i], play + at, sizeof *messages);
    texts[i] = play + at + sizeof *messages;
    at += sizeof *messages + messages[i].size;
    if (messages[i].place >= places) places = messages[i].place + 1;
  }
  first = messages_count ? messages[0].number : 0;
  seen_size = (places + 7) / 8;
  free(seen);
  seen = calloc(count, seen_size);
}

/* How many are in the room of a message. */
static uint64_t members(const struct message *m) {
  int room = m->sender % rooms;
  return count / rooms + (room < count % rooms);
}

/* Rest until something is due, but not for long, and serve what has come meanwhile. */
static void rest(double due) {
  static int served[EVENTS];
  double left = due - now();
  if (left > PAUSE) left = PAUSE;
  if (left > 0) nanosleep(&(struct timespec){0, left * 1e9}, NULL);
  while (turn(0, served) == EVENTS && now() < due);
}

static void play(const char *path, double warm_up, double wait) {
  read_play(path);
  memset(histogram, 0, sizeof histogram);
  delivered = counted = twice = astray = lost = 0;
  warm = warm_up;
  uint64_t expected = 0, wanted = 0;
  for (uint64_t i = 0; i < messages_count; i++) {
    expected += members(&messages[i]);
    if (messages[i].due >= warm) wanted += members(&messages[i]);
  }
  double latest = 0;
  uint64_t late = 0;
  began = now() + 0.01;
  for (uint64_t sent = 0; sent < messages_count;) {
    double due = began + messages[sent].due, lag = now() - due;
    if (lag < 0) {
      rest(due);
      continue;
    }
    if (messages[sent].due >= warm) {
      if (lag > latest) latest = lag;
      late += lag > 0.01;
    }
    say(clients[messages[sent].sender].fd, texts[sent], messages[sent].size);
    if (++sent % 16 == 0) rest(0);
  }
  double said = now();
  while (delivered < expected && now() < said + wait && !lost) rest(said + wait);
  /* What comes twice may come right after the last one. */
  double until = now() + 0.02;
  while (now() < until) rest(until);
  printf("{\"messages\": %llu, \"expected\": %llu, \"delivered\": %llu, \"wanted\": %llu, \"counted\": %llu, \"twice\": %llu, "
         "\"astray\": %llu, \"seconds\": %.6f, \"latest\": %.6f, \"late\": %llu, \"ended\": %llu, \"histogram\": ",
         (unsigned long long)messages_count, (unsigned long long)expected, (unsigned long long)delivered,
         (unsigned long long)wanted, (unsigned long long)counted, (unsigned long long)twice, (unsigned long long)astray,
         now() - began, latest, (unsigned long long)late, (unsigned long long)lost);
  print_histogram();
  printf("}\n");
}

static void cut(void) {
  for (int i = 0; i < count; i++) close(clients[i].fd);
  printf("{\"cut\": %d}\n", count);
  count = 0;
}

/* Run before all others, so that what is late is late because of who serves. */
static const char *hurry(void) {
  struct sched_param first = {.sched_priority = 1};
  prctl(PR_SET_TIMERSLACK, 1UL);
  if (!sched_setscheduler(0, SCHED_RR, &first)) return "real time";
  return setpriority(PRIO_PROCESS, 0, -20) ? "none" : "nice";
}

/* Answer heartbeats until there is an order. */
static int ordered(void) {
  static int served[EVENTS];
  struct pollfd either[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = epoll, .events = POLLIN}};
  while (!either[0].revents) {
    if (poll(either, 2, -1) < 0) die("poll");
    if (either[1].revents) turn(0, served);
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 3 || argc > 2 + PORTS) return 2;
  epoll = epoll_create1(0);
  rooms = atoi(argv[1]);
  for (int i = 2; i < argc; i++) ports[ports_count++] = atoi(argv[i]);
  printf("{\"priority\": \"%s\"}\n", hurry());
  fflush(stdout);
  char line[4096], path[4096];
  while (ordered() && fgets(line, sizeof line, stdin)) {
    int a, b, c;
    double seconds, wait;
    if (sscanf(line, "sessions %4095s", path) == 1) read_sessions(path), printf("{\"records\": %d}\n", recorded);
    else if (sscanf(line, "open %d %d %d", &a, &b, &c) == 3) open_all(a, b, c);
    else if (sscanf(line, "play %4095s %lf %lf", path, &seconds, &wait) == 3) play(path, seconds, wait);
    else if (!strncmp(line, "cut", 3)) cut();
    else printf("{}\n");
    fflush(stdout);
  }
  return 0;
}
