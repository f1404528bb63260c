//! Models and what serves them.

use crate::gates::secrets::rule::{Rule, named, token, within};

pub(super) const RULES: &[Rule] = &[
    within(
        "openai-key",
        "an OpenAI API key",
        &["t3blbkfj"],
        r"sk-(?:(?:proj|svcacct|service|admin)-)?[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20,100}",
    ),
    token(
        "openai-project-key",
        "an OpenAI project key",
        &["sk-proj-", "sk-svcacct-"],
        r"sk-(?:proj|svcacct)-[A-Za-z0-9_-]{48,200}",
    )
    .entropy(4.0),
    token(
        "anthropic-key",
        "an Anthropic API key",
        &["sk-ant-"],
        r"sk-ant-(?:api|admin|sid|oat)\d{2}-[A-Za-z0-9_-]{80,120}",
    ),
    token("huggingface-token", "a Hugging Face token", &["hf_"], r"hf_[A-Za-z0-9]{34}").entropy(3.5),
    token("huggingface-org-token", "a Hugging Face organization token", &["api_org_"], r"api_org_[A-Za-z0-9]{34}")
        .entropy(3.5),
    token("groq-key", "a Groq API key", &["gsk_"], r"gsk_[A-Za-z0-9]{52}"),
    token("perplexity-key", "a Perplexity API key", &["pplx-"], r"pplx-[A-Za-z0-9]{48}"),
    token("replicate-token", "a Replicate token", &["r8_"], r"r8_[A-Za-z0-9]{37}").entropy(3.5),
    token("xai-key", "an xAI API key", &["xai-"], r"xai-[A-Za-z0-9]{80}"),
    token("openrouter-key", "an OpenRouter key", &["sk-or-v1-"], r"sk-or-v1-[0-9a-f]{64}"),
    token("langsmith-key", "a LangSmith key", &["lsv2_"], r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    token("nvidia-key", "an NVIDIA API key", &["nvapi-"], r"nvapi-[A-Za-z0-9_-]{60,70}"),
    token("fireworks-key", "a Fireworks API key", &["fw_"], r"fw_[A-Za-z0-9]{24}").entropy(3.6),
    token("cerebras-key", "a Cerebras API key", &["csk-"], r"csk-[a-z0-9]{48}").entropy(3.5),
    token("pinecone-key", "a Pinecone API key", &["pcsk_"], r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,70}"),
    token("tavily-key", "a Tavily API key", &["tvly-"], r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{32}").entropy(3.5),
    named("deepseek-key", "a DeepSeek API key", &["deepseek"], r"sk-[0-9a-f]{32}").entropy(3.0),
    named("cohere-key", "a Cohere API key", &["cohere", "co_api"], r"[A-Za-z0-9]{40}").entropy(3.5),
    named("mistral-key", "a Mistral API key", &["mistral"], r"[A-Za-z0-9]{32}").entropy(3.5),
    named("together-key", "a Together AI key", &["together"], r"(?:[0-9a-f]{64}|tgp_v1_[A-Za-z0-9_-]{43})")
        .entropy(3.0),
    named(
        "elevenlabs-key",
        "an ElevenLabs API key",
        &["elevenlabs", "eleven_labs", "xi-api", "xi_api"],
        r"sk_[0-9a-f]{48}|[0-9a-f]{32}",
    )
    .entropy(3.0),
    named("stability-key", "a Stability AI key", &["stability"], r"sk-[A-Za-z0-9]{48}").entropy(3.5),
    named("wandb-key", "a Weights & Biases key", &["wandb"], r"[0-9a-f]{40}").entropy(3.0),
    named("assemblyai-key", "an AssemblyAI key", &["assemblyai", "assembly_ai"], r"[0-9a-f]{32}").entropy(3.0),
    named("deepgram-key", "a Deepgram key", &["deepgram"], r"[0-9a-f]{40}").entropy(3.0),
];
