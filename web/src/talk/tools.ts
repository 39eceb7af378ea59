// Functions that the model may call: those that the user declares, whose results the user gives, and two that the page
// itself runs, to try it.
import type { Settings } from '../data/types.ts'
import { parse } from '../text/json.ts'
import { calculate } from './calculator.ts'

export interface Tool {
  type: 'function'
  function: { name: string; description?: string; parameters?: unknown }
}

interface DemoTool {
  title: string
  tool: Tool
  run: (args: Record<string, unknown>) => unknown
}

export const demoTools: Record<string, DemoTool> = {
  current_time: {
    title: 'Current time',
    tool: {
      type: 'function',
      function: {
        name: 'current_time',
        description: 'The current date and local time',
        parameters: { type: 'object', properties: {}, additionalProperties: false },
      },
    },
    run: () => {
      const now = new Date()
      return {
        date: now.toLocaleDateString('en', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }),
        time: now.toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hour12: false }),
        zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      }
    },
  },
  calculator: {
    title: 'Calculator',
    tool: {
      type: 'function',
      function: {
        name: 'calculator',
        description: 'Computes a sum, like 12.5 * (3 + 4)',
        parameters: {
          type: 'object',
          properties: { expression: { type: 'string', description: 'numbers, + - * / ^, brackets, sqrt(); 15 % of 80' } },
          required: ['expression'],
          additionalProperties: false,
        },
      },
    },
    run: (args) => ({ result: calculate(String(args.expression ?? '')) }),
  },
}

/** The result of a demo tool as the text that goes back to the model. */
export function runDemo(name: string, args: string): string {
  try {
    const value = parse(args || '{}')
    if ('fault' in value) throw new Error(value.fault)
    return JSON.stringify(demoTools[name]!.run((value.value ?? {}) as Record<string, unknown>))
  } catch (e) {
    return JSON.stringify({ error: (e as Error).message })
  }
}

/** Does the page itself run it? Not where the user has declared one of that name. */
export const isDemo = (name: string, settings: Settings): boolean =>
  Object.hasOwn(demoTools, name) && toolsOf(settings).some((t) => t === demoTools[name]!.tool)

/** The user's declarations: in OpenAI's form, or the functions alone, one or a list. */
export function readTools(text: string): { tools: Tool[] } | { fault: string } {
  if (!text.trim()) return { tools: [] }
  const read = parse(text)
  if ('fault' in read) return read
  const list = Array.isArray(read.value) ? read.value : [read.value]
  const tools: Tool[] = []
  for (const [i, entry] of list.entries()) {
    const fn = (entry?.function ?? entry) as Tool['function'] | null
    if (typeof fn?.name !== 'string') return { fault: `function ${i + 1} has no "name"` }
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(fn.name)) return { fault: `"${fn.name}": a name has letters, digits, _ . - and at most 64 of them` }
    if (tools.some((t) => t.function.name === fn.name)) return { fault: `"${fn.name}" is there twice` }
    const { name, description, parameters } = fn
    tools.push({ type: 'function', function: { name, description, parameters } })
  }
  return { tools }
}

/** All that the model is told of. A demo tool gives way to a declaration of the same name. */
export function toolsOf(settings: Settings): Tool[] {
  const read = readTools(settings.tools)
  const own = 'tools' in read ? read.tools : []
  const demos = settings.demoTools.filter((name) => Object.hasOwn(demoTools, name)).map((name) => demoTools[name]!.tool)
  return [...demos.filter((d) => !own.some((t) => t.function.name === d.function.name)), ...own]
}
