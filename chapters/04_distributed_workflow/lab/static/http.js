// Questions to the server. What goes wrong is an Error whose message is for the visitor.

export const NO_ANSWER = "The server doesn't answer. Is it still running?";

export async function ask(address, options = {}) {
  let response;
  try {
    // "no-cache": the browser asks whether anything has changed, and a 304 has no body
    response = await fetch(address, { cache: "no-cache", ...options });
  } catch {
    throw new Error(NO_ANSWER);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.detail ?? `The server answered ${response.status}.`);
  return answer;
}

export function post(address, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, ...[value].flat());
  return ask(address, { method: "POST", body });
}

export const remove = (address) => ask(address, { method: "DELETE" });
