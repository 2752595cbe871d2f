declare module '*?raw' {
  const text: string;
  export default text;
}

interface ImportMeta {
  /** The modules of a pattern, by path. */
  glob(pattern: string, options?: { query?: string; import?: string; eager?: boolean }): Record<string, unknown>;
}
