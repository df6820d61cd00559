// Access: how the gateway is reached, and by whom.

import { Page } from "../kit.js";
import { certificateCard, tailscaleCard } from "./certificates.js";

export class Access extends Page {
  async load() {
    this.put(await Promise.all([certificateCard(this), tailscaleCard(this)]));
  }
}
