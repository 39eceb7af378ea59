// What the server offers: its models, which one is chosen, its context and defaults.
import { computed, signal } from '@preact/signals'
import { getModels, getProps, RequestFailed } from '../api/client.ts'
import type { Model, Props } from '../api/types.ts'
import { keep, recall } from './local.ts'

export const models = signal<Model[]>([])
export const props = signal<Props>({})
/** null: it answers. */
export const trouble = signal<RequestFailed | null>(null)
export const isKnown = signal(false) // it has answered once, or failed to

const CHOSEN = 'carat-model'
const chosen = signal<string | null>(recall(CHOSEN))

export const model = computed<Model | null>(
  () => models.value.find((m) => m.id === chosen.value) ?? models.value[0] ?? null,
)
export const canSee = computed(() => {
  const m = model.value
  if (!m?.capabilities) return Boolean(props.value.modalities?.vision)
  return m.capabilities.includes('vision') || m.capabilities.includes('multimodal')
})
/** Tokens that prompt and answer may have together; null: not known. */
export const contextSize = computed<number | null>(
  () => model.value?.meta?.n_ctx || props.value.default_generation_settings?.n_ctx || null, // 0: it is not loaded
)
export const isLoaded = computed(() => (model.value?.status?.value ?? 'loaded') === 'loaded')

/** The server's own setting of a sampling parameter. */
export function serverDefault(name: string): number | null {
  const given = props.value.default_generation_settings
  const value = given?.params?.[name] ?? given?.[name]
  return typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : null
}

export function chooseModel(id: string): void {
  chosen.value = id
  keep(CHOSEN, id)
  void loadProps()
}

async function loadProps(): Promise<void> {
  try {
    props.value = await getProps(models.value.length > 1 ? model.value?.id : undefined)
  } catch {
    props.value = {} // a convenience: without it defaults are simply not shown
  }
}

let again: ReturnType<typeof setTimeout> | undefined

/** Asks the server what there is; where it does not answer, or is loading, asks again by itself. */
export async function meet(): Promise<void> {
  clearTimeout(again)
  try {
    models.value = await getModels()
    trouble.value = null
    await loadProps()
  } catch (e) {
    trouble.value = e instanceof RequestFailed ? e : new RequestFailed(0, { message: String(e) })
    if (trouble.value.status === 0 || trouble.value.status === 503) again = setTimeout(() => void meet(), 2500)
  }
  isKnown.value = true
}
