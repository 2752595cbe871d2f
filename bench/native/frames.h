/* WebSocket frames as they come from a server: taken whole, however the stream was cut. */

struct partial {
  char *bytes; /* of a frame, as far as it has come */
  size_t size, room;
};

typedef void taker(int index, int opcode, char *payload, size_t size);

enum { PONG = 6 + 125 };

/* Write the answer to a ping, with what that held, by which some servers know it; how many bytes it has. */
static size_t pong(char *frame, const char *held, size_t size) {
  memcpy(frame, (char[]){(char)0x8a, (char)(0x80 | size), 0, 0, 0, 0}, 6); /* masked with zeros */
  memcpy(frame + 6, held, size);
  return 6 + size;
}

/* Hand over the frames that are whole; how many bytes that was. */
static size_t take_whole(int index, char *data, size_t size, taker *take) {
  size_t at = 0;
  while (size - at >= 2) {
    const uint8_t *head = (uint8_t *)data + at;
    uint64_t length = head[1] & 127, header = 2;
    if (length == 126) {
      if (size - at < 4) break;
      length = head[2] << 8 | head[3], header = 4;
    } else if (length == 127) {
      if (size - at < 10) break;
      length = 0, header = 10;
      for (int i = 2; i < 10; i++) length = length << 8 | head[i];
    }
    if (size - at < header + length) break;
    take(index, head[0] & 15, data + at + header, length);
    at += header + length;
  }
  return at;
}

static void make_room(struct partial *partial, size_t size) {
  if (partial->room >= size) return;
  partial->room = 2 * size;
  partial->bytes = realloc(partial->bytes, partial->room);
}

static void forget(struct partial *partial) {
  free(partial->bytes);
  *partial = (struct partial){0};
}

/* Take what has come on a connection; what is not whole yet is kept. */
static void take_frames(struct partial *partial, int index, char *data, size_t size, taker *take) {
  if (partial->size) {
    make_room(partial, partial->size + size);
    memcpy(partial->bytes + partial->size, data, size);
    data = partial->bytes, size += partial->size;
  }
  size_t taken = take_whole(index, data, size, take), rest = size - taken;
  if (!rest) {
    forget(partial);
    return;
  }
  make_room(partial, rest);
  /* Both ends are in the same buffer if it did not have to grow. */
  memmove(partial->bytes, data + taken, rest);
  partial->size = rest;
}
