/* Assets from the server, each fetched once. */

const fetched = new Map();

/** The bytes at a path below the server's root; fetched again only after a failure. */
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
