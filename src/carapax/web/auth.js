// The ways into the gateway: what it knows of this browser, passkeys, password, token, and the setup code.

import { fetched, RpcError } from "./rpc.js";

export const hasPasskeys = () => typeof globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

/** GET an address of the gateway, or POST to it; what it refuses is an RpcError. */
export function ask(path, body, method = body && "POST") {
  const sent = { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return fetched(path, body ? sent : {});
}

/** Who this browser is to the gateway, and what it can sign in with: `GET /auth`. */
export const standing = () => ask("auth");

/** Sign in with a passkey; with `mediation: "conditional"` it is offered in the password's field until `signal`. */
export async function showPasskey(options = {}) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await ask("auth/passkey/begin", {}));
  const credential = await navigator.credentials.get({ publicKey, ...options });
  await ask("auth/passkey/finish", { credential: credential.toJSON() });
}

/** Make a passkey for this name of the gateway. */
export async function makePasskey(name, current = "") {
  const { options } = await ask("api/owner/passkey", { current });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  return ask("api/passkeys", { name, credential: credential.toJSON() });
}

/** What went wrong, in words; nothing where the person changed their mind. */
export function told(error) {
  if (error instanceof RpcError) return error.message;
  if (error instanceof DOMException) return ["NotAllowedError", "AbortError"].includes(error.name) ? "" : error.message;
  throw error;
}
