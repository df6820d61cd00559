// Access: how the gateway is reached, and by whom.

import { Page } from "../kit.js";
import { credentialCards } from "./credentials.js";
import { certificateCard, tailscaleCard } from "./certificates.js";

export class Access extends Page {
  async load() {
    this.put(await Promise.all([credentialCards(this), certificateCard(this), tailscaleCard(this)]));
  }
}
