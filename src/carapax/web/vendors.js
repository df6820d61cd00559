// How vendors of models write their own names, in every language: where that is more than a capital letter.

import { sentence } from "./format.js";

const TITLES = {
  openai: "OpenAI", openrouter: "OpenRouter", xai: "xAI", deepseek: "DeepSeek", huggingface: "Hugging Face",
  zai: "Z.ai", nvidia: "NVIDIA", moonshot_ai: "Moonshot (moonshot.ai)", minimax: "MiniMax", lmstudio: "LM Studio",
  vllm: "vLLM", llamacpp: "llama.cpp", copilot: "GitHub Copilot", codex: "OpenAI Codex", claude_code: "Claude Code",
  litellm: "LiteLLM", searxng: "SearXNG",
};

export const vendorTitle = (name) => (Object.hasOwn(TITLES, name) ? TITLES[name] : sentence(name));
