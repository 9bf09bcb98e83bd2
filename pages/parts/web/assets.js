/* What the server keeps for browsers, fetched once, whatever is drawn with it. */

const fetched = new Map();

/** The bytes at an address below the server's root; asked for again only if it failed. */
export function asset(path) {
  if (!fetched.has(path)) {
    const root = window.__streamlit?.BACKEND_BASE_URL ?? document.baseURI;
    const answer = fetch(new URL(path, root)).then((response) => {
      if (!response.ok) throw new Error(`status ${response.status}`);
      return response.arrayBuffer();
    });
    answer.catch(() => fetched.delete(path));
    fetched.set(path, answer);
  }
  return fetched.get(path);
}
