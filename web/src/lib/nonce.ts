/** The nonce of this page's policy, for what writes styles while it runs; empty where there is no policy (development, tests). */
export const pageNonce = (): string => document.querySelector<HTMLElement>('meta[property="csp-nonce"]')?.nonce ?? "";
