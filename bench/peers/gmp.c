/* GMP as a peer of `millrace bench compare`: a child process that answers one measurement per line, so that it takes its
 * turns among the other contestants of a run. Built by src/bench/compare/gmp.ts where libgmp and its header are there.
 *
 *   modulus HEX              ok
 *   check BASE EXPONENT      BASE^EXPONENT mod the modulus, in hex
 *   measure OP BITS COUNT    nanoseconds for COUNT operations with exponents of BITS bits, or `unavailable`
 *
 * OP: powm, powm_sec; mulmod (mpz_mul and mpz_mod); mulredc (mpn_mul_n and mpn_redc_n, a Montgomery product); invert.
 * Operands are random, made before the clock starts. */
#include <gmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* GMP's own Montgomery reduction: in the library, not in its header, so it may be missing. */
extern void __gmpn_redc_n(mp_ptr, mp_ptr, mp_srcptr, mp_size_t, mp_srcptr) __attribute__((weak));

enum { OPERANDS = 16, LINE = 1 << 16 };

static gmp_randstate_t state;
static mpz_t modulus;
static mpz_t bases[OPERANDS], exponents[OPERANDS], result;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void draw(unsigned long exponent_bits) {
  for (int i = 0; i < OPERANDS; i++) {
    mpz_urandomm(bases[i], state, modulus);
    mpz_setbit(bases[i], 0);
    mpz_urandomb(exponents[i], state, exponent_bits);
    mpz_setbit(exponents[i], exponent_bits - 1);
  }
}

/* Products of one operand and another, reduced by redc_n; 0 where GMP does not export it. */
static uint64_t mulredc(long count) {
  if (!__gmpn_redc_n) return 0;
  mp_size_t n = mpz_size(modulus);
  mpz_t radix, inverse;
  mpz_inits(radix, inverse, NULL);
  mpz_setbit(radix, (mp_bitcnt_t)n * GMP_NUMB_BITS);
  mpz_invert(inverse, modulus, radix);
  mp_limb_t *words = calloc((size_t)n * (OPERANDS + 4), sizeof(mp_limb_t));
  mp_limb_t *ip = words, *out = words + n, *product = words + 2 * n, *operands = words + 4 * n;
  mpn_copyi(ip, mpz_limbs_read(inverse), mpz_size(inverse));
  for (int i = 0; i < OPERANDS; i++) mpn_copyi(operands + i * n, mpz_limbs_read(bases[i]), mpz_size(bases[i]));
  uint64_t start = now();
  for (long i = 0; i < count; i++) {
    mpn_mul_n(product, operands + (i % OPERANDS) * n, operands + ((i + 1) % OPERANDS) * n, n);
    __gmpn_redc_n(out, product, mpz_limbs_read(modulus), n, ip);
  }
  uint64_t elapsed = now() - start;
  free(words);
  mpz_clears(radix, inverse, NULL);
  return elapsed;
}

static uint64_t measure(const char *op, unsigned long exponent_bits, long count) {
  draw(exponent_bits);
  if (!strcmp(op, "mulredc")) return mulredc(count);
  uint64_t start = now();
  for (long i = 0; i < count; i++) {
    mpz_ptr a = bases[i % OPERANDS], b = bases[(i + 1) % OPERANDS], e = exponents[i % OPERANDS];
    if (!strcmp(op, "powm")) {
      mpz_powm(result, a, e, modulus);
    } else if (!strcmp(op, "powm_sec")) {
      mpz_powm_sec(result, a, e, modulus);
    } else if (!strcmp(op, "mulmod")) {
      mpz_mul(result, a, b);
      mpz_mod(result, result, modulus);
    } else if (!strcmp(op, "invert")) {
      mpz_invert(result, a, modulus);
    } else {
      return 0;
    }
  }
  return now() - start;
}

int main(void) {
  static char line[LINE], first[LINE], second[LINE];
  gmp_randinit_mt(state);
  gmp_randseed_ui(state, (unsigned long)now());
  mpz_inits(modulus, result, NULL);
  for (int i = 0; i < OPERANDS; i++) mpz_inits(bases[i], exponents[i], NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    unsigned long bits = 0;
    long count = 0;
    if (sscanf(line, "modulus %s", first) == 1) {
      mpz_set_str(modulus, first, 16);
      puts("ok");
    } else if (sscanf(line, "check %s %s", first, second) == 2) {
      mpz_set_str(bases[0], first, 16);
      mpz_set_str(exponents[0], second, 16);
      mpz_powm(result, bases[0], exponents[0], modulus);
      gmp_printf("%Zx\n", result);
    } else if (sscanf(line, "measure %s %lu %ld", first, &bits, &count) == 3 && bits > 0) {
      uint64_t ns = measure(first, bits, count);
      if (ns) printf("%llu\n", (unsigned long long)ns);
      else puts("unavailable");
    } else {
      puts("unknown");
    }
  }
  return 0;
}
