/** 64 bits at random, as text: a client id (§2), and whatever else must be nobody else's. */
export function randomId(): string {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return bits.toString(36);
}
