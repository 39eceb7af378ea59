// The views that the model gets of a picture, as the server cuts them.
import { getCrops } from '../api/client.ts'
import type { Crops } from '../api/types.ts'
import type { Detail, Picture } from '../data/types.ts'
import { bytesOf } from './pictures.ts'

const MODE: Record<Detail, string> = { auto: 'auto', high: 'on', low: 'off' }
const known = new Map<string, Promise<Crops | null>>()

/** null: the server does not say (an older one, or a model without vision). */
export function cropsOf(picture: Picture, model: string | undefined): Promise<Crops | null> {
  const key = `${model}/${picture.id}/${picture.detail}`
  let crops = known.get(key)
  if (!crops) {
    crops = bytesOf(picture)
      .then((url) => getCrops(url, MODE[picture.detail], model))
      .catch(() => {
        known.delete(key)
        return null
      })
    known.set(key, crops)
  }
  return crops
}

export const tokensOf = (crops: Crops): number => crops.views.length * crops.tokens_per_view
