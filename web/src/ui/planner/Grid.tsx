// The grid: a row a quantisation, a column a context, in each cell the memory and the smallest card.
import type { Estimate } from '../../api/types.ts'
import { contextName, count, gib } from '../format.ts'
import { keyOf } from './Planner.tsx'

interface GridProps {
  rows: Estimate[]
  memory: number | null // bytes that one has
  selected: string
  choose: (key: string) => void
}

export function Grid({ rows, memory, selected, choose }: GridProps) {
  const quants = [...new Set(rows.map((r) => r.quant))]
  const contexts = [...new Set(rows.map((r) => r.context))].sort((a, b) => a - b)
  const at = new Map(rows.map((r) => [keyOf(r), r]))
  return (
    <div class="grid-scroll" tabindex={0} role="region" aria-label="Memory by quantisation and context">
      <table class="grid">
        <thead>
          <tr>
            <th scope="col">Weights</th>
            {contexts.map((c) => (
              <th key={c} scope="col" title={`${count(c)} tokens of context`}>
                {contextName(c)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {quants.map((quant) => (
            <tr key={quant}>
              <th scope="row">{quant}</th>
              {contexts.map((c) => {
                const e = at.get(`${quant}/${c}`)
                return <td key={c}>{e ? <Cell estimate={e} memory={memory} isSelected={keyOf(e) === selected} choose={choose} /> : '–'}</td>
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Cell({ estimate: e, memory, isSelected, choose }: { estimate: Estimate; memory: number | null; isSelected: boolean; choose: (key: string) => void }) {
  const fits = memory === null ? '' : e.total <= memory ? ' fits' : ' is-too-large'
  const card = e.card_memory ? `${Math.round(e.card_memory / 2 ** 30)} GB card` : ''
  const words = memory === null ? '' : e.total <= memory ? ', fits' : ', does not fit'
  // What is heard is longer than what is seen, and in its order.
  return (
    <button
      type="button"
      class={`cell${fits}`}
      aria-pressed={isSelected}
      title={e.card ?? undefined}
      onClick={() => choose(keyOf(e))}
    >
      <span class="visually-hidden">{`${e.quant}, ${count(e.context)} tokens: `}</span>
      <span class="cell-size">{gib(e.total)}</span>
      <span class="visually-hidden">{` GiB${words}, `}</span>
      <small>{card || '–'}</small>
    </button>
  )
}
