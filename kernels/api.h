/* The C ABI of Millrace's native arithmetic, for the CPU library (native/) and the CUDA library (kernels/) alike.
 *
 * Batches are flat and little-endian: an element of a group is bits/8 bytes, a slot is `width` elements. Everything is in the
 * absolute-value group {1..q} of an odd modulus p = 2q + 1: results are min(x, p - x). Inputs must be in range; the caller has checked
 * them. No function keeps a pointer after it returns, except for the group that millrace_group_create makes. Functions return
 * MILLRACE_OK or an error, never abort, and are safe to call from several threads on one group.
 *
 * Exponents are little-endian, exponent_bytes each. Powers read tables by masks and run the same instructions for every exponent of a
 * length; a function that is not constant-time says so.
 */
#ifndef MILLRACE_API_H
#define MILLRACE_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MILLRACE_ABI_VERSION 2

typedef enum {
  MILLRACE_OK = 0,
  MILLRACE_INVALID_ARGUMENT = 1,
  MILLRACE_UNSUPPORTED = 2,
  MILLRACE_OUT_OF_MEMORY = 3,
  MILLRACE_NOT_INVERTIBLE = 4,
  MILLRACE_DEVICE = 5
} millrace_status;

typedef struct millrace_group millrace_group;

/* MILLRACE_ABI_VERSION of the library that was loaded. */
uint32_t millrace_abi_version(void);

/* Meaning of a status, in English; static text. */
const char *millrace_status_message(int32_t status);

/* Paths or devices that this library can compute on, best first; 0 if there is none. */
uint32_t millrace_device_count(void);

/* Name of a device (`ifma`, `portable`, a card): at most `length` bytes with the final zero. */
int32_t millrace_device_name(uint32_t device, char *name, size_t length);

/* A group over an odd modulus of `bits` bits, a multiple of 64 up to 8192, little-endian; on one device. */
int32_t millrace_group_create(uint32_t device, const uint8_t *modulus, uint32_t bits, millrace_group **group);
void millrace_group_destroy(millrace_group *group);

/* out[i] = a[i]*R: the prepared form, the same size as elements. */
int32_t millrace_prepare(const millrace_group *group, uint8_t *out, const uint8_t *a, size_t count);

/* out[i] = a[i]*b[i]; one Montgomery product if b is prepared. */
int32_t millrace_mul(const millrace_group *group, uint8_t *out, const uint8_t *a, const uint8_t *b, int32_t prepared,
                     size_t count);

/* out[i] = a[i]*b[i]^times, b prepared, times from 1 on, by Montgomery products one after the other with nothing read or written
 * between them (on a device: nothing but its own memory). For measuring the cost of a product by itself. */
int32_t millrace_mul_chain(const millrace_group *group, uint8_t *out, const uint8_t *a, const uint8_t *b, size_t times,
                           size_t count);

/* Slots `from` to `to` of out: out[k] = a[source[k]]*b[k]. The order of reads is not hidden: whole elements, in the order of source.
 * Pointers are to the beginning of the whole batches. */
int32_t millrace_mul_gather(const millrace_group *group, uint8_t *out, const uint8_t *a, const uint32_t *source,
                            const uint8_t *b, int32_t prepared, size_t width, size_t from, size_t to);

/* out[i] = bases[i]^exponents[i]. */
int32_t millrace_pow(const millrace_group *group, uint8_t *out, const uint8_t *bases, const uint8_t *exponents,
                     size_t exponent_bytes, size_t count);

/* out[i*width + e] = bases[i]^exponents[e]. */
int32_t millrace_pow_shared(const millrace_group *group, uint8_t *out, const uint8_t *bases, const uint8_t *exponents,
                            size_t exponent_bytes, size_t width, size_t count);

/* Bytes of a table of one base for exponents of a length, wherever the library keeps it; 0 if there can be none. */
size_t millrace_table_bytes(const millrace_group *group, size_t exponent_bytes, uint32_t digit_bits);
int32_t millrace_table_fill(const millrace_group *group, void *table, const uint8_t *base, size_t exponent_bytes,
                            uint32_t digit_bits);

/* out[i] = base^exponents[i] by a table that was filled with the same exponent_bytes and digit_bits. */
int32_t millrace_pow_fixed(const millrace_group *group, uint8_t *out, const void *table, const uint8_t *exponents,
                           size_t exponent_bytes, uint32_t digit_bits, size_t count);

/* out[i] = a[i]^-1: Montgomery's trick around one inversion of a product. `blinding`, a random element for a single use, hides that
 * product; only its inversion is not constant-time. */
int32_t millrace_invert(const millrace_group *group, uint8_t *out, const uint8_t *a, const uint8_t *blinding,
                        size_t count);

/* out[e] = product of a[slot*width + e] over slots; 1 for none. */
int32_t millrace_product(const millrace_group *group, uint8_t *out, const uint8_t *a, size_t width, size_t slots);

/* One element: product of bases[i]^exponents[i]; 1 for none. For public exponents: NOT constant-time. */
int32_t millrace_multi_exp(const millrace_group *group, uint8_t *out, const uint8_t *bases, const uint8_t *exponents,
                           size_t exponent_bytes, size_t count);

/* ---- Devices with memory of their own ----
 *
 * Handles hold data that stays on a device between calls: prepared operands and tables, for as long as a round needs them. A library
 * that computes on the host's memory returns MILLRACE_UNSUPPORTED for the facts and for resident data, and one that does not returns it
 * for millrace_table_fill and millrace_pow_fixed. Devices support widths of 2048, 3072 and 4096 bits; all others are
 * MILLRACE_UNSUPPORTED.
 *
 * After an error from which a device cannot recover, every call on it returns MILLRACE_DEVICE at once, with the same text. */

typedef struct millrace_kept millrace_kept;

/* The reason why there is no device; else the error text of this thread's last call that failed on the device, found no memory or was
 * not supported. At most `length` bytes with the final zero; empty if there is none. */
int32_t millrace_device_error(char *text, size_t length);

/* Facts of a device as JSON: name, multiprocessors, memoryBytes, computeCapability, and the versions of driver and runtime.
 * MILLRACE_INVALID_ARGUMENT if `length` bytes do not hold all of it. */
int32_t millrace_device_facts(uint32_t device, char *text, size_t length);

/* Keeps a[i]*R on the group's device. */
int32_t millrace_keep_prepared(const millrace_group *group, const uint8_t *a, size_t count, millrace_kept **resident);

/* Keeps a table of one base on the group's device. */
int32_t millrace_keep_table(const millrace_group *group, const uint8_t *base, size_t exponent_bytes, uint32_t digit_bits,
                            millrace_kept **resident);

/* Overwrites and frees resident data; nothing may compute with it any more. Null is allowed; the group may be destroyed already. */
void millrace_kept_release(millrace_kept *resident);

/* millrace_mul with b[i] = element first + i of the resident operand. */
int32_t millrace_mul_kept(const millrace_group *group, uint8_t *out, const uint8_t *a, const millrace_kept *resident, size_t first,
                          size_t count);

/* millrace_mul_gather, of slots `from` to `to` of whole batches of `slots` slots, with b beginning at element `first` of the resident
 * operand. MILLRACE_INVALID_ARGUMENT if a source is not a slot. */
int32_t millrace_mul_gather_kept(const millrace_group *group, uint8_t *out, const uint8_t *a, const uint32_t *source,
                                 const millrace_kept *resident, size_t first, size_t width, size_t slots, size_t from, size_t to);

/* out[i] = base^exponents[i] by a resident table. Exponents have the length that the table was made for. */
int32_t millrace_pow_fixed_kept(const millrace_group *group, uint8_t *out, const millrace_kept *resident, const uint8_t *exponents,
                                size_t count);

#ifdef __cplusplus
}
#endif

#endif
