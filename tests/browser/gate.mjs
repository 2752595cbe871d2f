/** Puts a gate between a page and the front: shut, it cuts the connection and lets none through; pages still load. */
export async function gate(page) {
  let open = true;
  const passing = new Set();
  await page.routeWebSocket(/\/ws$/, (socket) => {
    if (!open) {
      void socket.close({ code: 1012 });
      return;
    }
    passing.add(socket);
    // A front that was killed says no code, which no page could be told.
    const server = socket.connectToServer();
    server.onClose((code, reason) => socket.close({ code: code === 1006 ? 1012 : code, reason }));
  });
  // Else the client would take the other way.
  await page.route(/\/(events|poll)\b/, (route) => (open ? route.continue() : route.abort()));
  return {
    shut() {
      open = false;
      for (const socket of passing) void socket.close({ code: 1012 });
      passing.clear();
    },
    open() {
      open = true;
    },
  };
}
