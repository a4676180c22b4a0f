import type { Finding } from '../../../model/fault.ts'
import type { TargetPlan } from '../../target.ts'
import type { Link } from '../sessions.ts'

/** Looks at the target for all that would stop or endanger the mirror; changes nothing. */
export async function preflightTarget(_link: Link, _plan: TargetPlan): Promise<Finding[]> {
  return []
}
