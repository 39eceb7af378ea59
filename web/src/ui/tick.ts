// Renders a component again every so many milliseconds, for clocks.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

export function useTick(ms: number): void {
  const ticks = useSignal(0)
  void ticks.value
  useEffect(() => {
    const timer = setInterval(() => ticks.value++, ms)
    return () => clearInterval(timer)
  }, [ms])
}
