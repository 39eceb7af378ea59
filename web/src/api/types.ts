// What the server says, as far as the page reads it.

export interface Model {
  id: string
  capabilities?: string[] // "completion", "tools", "vision" or, as llama-server has it, "multimodal"
  status?: { value?: string } // "loaded", "loading", "unloaded"
  meta?: { n_ctx_train?: number; n_ctx?: number; n_params?: number; size?: number }
}

export interface Props {
  default_generation_settings?: { n_ctx?: number; params?: Record<string, unknown> } & Record<string, unknown>
  modalities?: { vision?: boolean }
  build_info?: string
}

export interface Usage {
  prompt_tokens?: number
  completion_tokens?: number
  prompt_tokens_details?: { cached_tokens?: number } | null
}

export interface Timings {
  prompt_n?: number
  prompt_ms?: number
  prompt_per_second?: number
  predicted_n?: number
  predicted_ms?: number
  predicted_per_second?: number
}

export interface CallDelta {
  index: number
  id?: string
  function?: { name?: string; arguments?: string }
}

export interface Chunk {
  model?: string
  choices?: { index?: number; delta?: { content?: string | null; tool_calls?: CallDelta[] }; finish_reason?: string | null }[]
  usage?: Usage | null
  timings?: Timings | null
  error?: ServerError
}

export interface ServerError {
  message?: string
  type?: string
  code?: string | number | null
  param?: string | null
}

export interface View {
  x: number
  y: number
  width: number
  height: number
}

export interface Crops {
  views: View[]
  tokens_per_view: number
}

/** A row of `carat weigh --json`. */
export interface Estimate {
  model: string
  quant: string
  kv: string
  context: number
  sessions: number
  images: number
  parameters: number
  total: number
  llama_cpp_layout: number
  bytes: Record<string, number>
  card?: string | null
  card_memory?: number
}
