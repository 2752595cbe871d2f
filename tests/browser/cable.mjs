import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * A cable to a server on this machine, which can be cut: whatever goes through it ends, and nothing else begins.
 *
 * @returns Its `url` instead of the server's own.
 */
export async function cable(url) {
  const { hostname, port } = new URL(url);
  const ends = new Set();
  let whole = true;
  const server = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    for (const [from, to] of [[near, far], [far, near]]) {
      ends.add(from);
      from.pipe(to);
      // A server that is killed resets its connections.
      from.on('error', () => to.destroy());
      from.on('close', () => {
        ends.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      whole = false;
      for (const end of ends) end.destroy();
    },
    mend() {
      whole = true;
    },
    remove() {
      this.cut();
      server.close();
    },
  };
}
