/** The little that a message's text may say beyond words: links and code. */

export type Piece = { type: 'text' | 'code' | 'block' | 'link'; text: string };

const MARKS = /```\n?([^]+?)\n?```\n?|`([^`\n]+)`|(https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]])/g;

/** Cut a message into pieces; their texts without the marks are all of it. */
export function pieces(body: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of body.matchAll(MARKS)) {
    if (match.index > end) found.push({ type: 'text', text: body.slice(end, match.index) });
    const [whole, block, code, link] = match;
    if (block !== undefined) found.push({ type: 'block', text: block });
    else if (code !== undefined) found.push({ type: 'code', text: code });
    else if (link !== undefined) found.push({ type: 'link', text: link });
    end = match.index + whole.length;
  }
  if (end < body.length) found.push({ type: 'text', text: body.slice(end) });
  return found;
}
