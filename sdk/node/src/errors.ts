/** Errors of the library. `code` is stable and meant for programs. */
export class BubiError extends Error {
  constructor(
    readonly code: string,
    readonly detail: string,
  ) {
    super(`${code}: ${detail}`);
    this.name = new.target.name;
  }
}

/** A value or its bytes are refused: `not_canonical`, `too_large`, `malformed` or `malformed_json`. */
export class EncodingError extends BubiError {}

/** A key, address or identifier is refused. */
export class InvalidInput extends BubiError {}

/** A proof does not show what it claims to show. */
export class ProofInvalid extends BubiError {
  constructor(detail: string) {
    super("proof_invalid", detail);
  }
}

/** A server refused a request (problem+json). */
export class RequestRefused extends BubiError {
  constructor(
    code: string,
    detail: string,
    readonly status: number,
    readonly retryable: boolean,
    readonly problem: Readonly<Record<string, unknown>>,
  ) {
    super(code, detail);
  }
}

export const notCanonical = (detail: string): EncodingError =>
  new EncodingError("not_canonical", detail);
export const malformed = (detail: string): EncodingError => new EncodingError("malformed", detail);
export const malformedJson = (detail: string): EncodingError =>
  new EncodingError("malformed_json", detail);
export const tooLarge = (detail: string): EncodingError => new EncodingError("too_large", detail);
