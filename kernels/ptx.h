// The carry chains, of which everything else is made; the only file with PTX. A chain is one asm statement from the first addition to
// the last carry, because no carry flag may be alive between statements: the compiler may put other instructions in between. ptxas
// fuses each pair mad.lo.cc, madc.hi.cc to one IMAD.WIDE.U32 with carry in and carry out.
//
// Below is the twin of each chain in C++, for lanes that are vectors.
#pragma once

#include "lanes.h"

namespace millrace::kernels {

#ifdef __CUDACC__

#define MILLRACE_MAD(op, lo, hi, a, b) \
  op ".lo.cc.u32 %" #lo ", %" #a ", %" #b ", %" #lo ";\n\tmadc.hi.cc.u32 %" #hi ", %" #a ", %" #b ", %" #hi ";\n\t"
#define MILLRACE_ADD(op, x, y) op ".cc.u32 %" #x ", %" #x ", %" #y ";\n\t"
#define MILLRACE_TOP(top) "addc.u32 %" #top ", %" #top ", 0;"

/// Chains of N multiply-adds on 2N consecutive accumulators, with every other limb of `a` times b.
///   mad         acc += a·b; the caller knows that nothing is carried out
///   madCarry    the same, and top += carry
///   mergeMad…   first (x0, x1) += (y0, y1), whose carry goes into the chain
template <int N>
struct Chain;

/// One specialisation. Operands: accumulators, then top, x0, x1, then a, b, y0, y1.
#define MILLRACE_CHAIN(N, TOP, FIRST, MERGE, ACCS, LIMBS, BODY)                                                         \
  template <>                                                                                                          \
  struct Chain<N> {                                                                                                    \
    static MILLRACE_FN void mad(Word* acc, const Word* a, Word b) {                                                    \
      Word top = 0, x0 = 0, x1 = 0;                                                                                    \
      asm(FIRST("mad") BODY : ACCS, "+r"(top), "+r"(x0), "+r"(x1) : LIMBS, "r"(b));                                    \
    }                                                                                                                  \
    static MILLRACE_FN void madCarry(Word* acc, const Word* a, Word b, Word& top) {                                    \
      Word x0 = 0, x1 = 0;                                                                                             \
      asm(FIRST("mad") BODY TOP : ACCS, "+r"(top), "+r"(x0), "+r"(x1) : LIMBS, "r"(b));                                \
    }                                                                                                                  \
    static MILLRACE_FN void mergeMad(Word& x0, Word& x1, Word y0, Word y1, Word* acc, const Word* a, Word b) {         \
      Word top = 0;                                                                                                    \
      asm(MERGE FIRST("madc") BODY : ACCS, "+r"(top), "+r"(x0), "+r"(x1) : LIMBS, "r"(b), "r"(y0), "r"(y1));           \
    }                                                                                                                  \
    static MILLRACE_FN void mergeMadCarry(Word& x0, Word& x1, Word y0, Word y1, Word* acc, const Word* a, Word b,      \
                                          Word& top) {                                                                 \
      asm(MERGE FIRST("madc") BODY TOP : ACCS, "+r"(top), "+r"(x0), "+r"(x1) : LIMBS, "r"(b), "r"(y0), "r"(y1));       \
    }                                                                                                                  \
  };
#define MILLRACE_TWO(x, i) "+r"(x[i]), "+r"(x[i + 1])

#define MILLRACE_FIRST_1(op) MILLRACE_MAD(op, 0, 1, 5, 6)
#define MILLRACE_BODY_1 \
  ""
#define MILLRACE_ACCS_1 \
  MILLRACE_TWO(acc, 0)
#define MILLRACE_LIMBS_1 "r"(a[0])
MILLRACE_CHAIN(1, MILLRACE_TOP(2), MILLRACE_FIRST_1,
               MILLRACE_ADD("add", 3, 7) MILLRACE_ADD("addc", 4, 8), MILLRACE_ACCS_1, MILLRACE_LIMBS_1, MILLRACE_BODY_1)

#define MILLRACE_FIRST_2(op) MILLRACE_MAD(op, 0, 1, 7, 9)
#define MILLRACE_BODY_2 \
  MILLRACE_MAD("madc", 2, 3, 8, 9)
#define MILLRACE_ACCS_2 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2)
#define MILLRACE_LIMBS_2 "r"(a[0]), "r"(a[2])
MILLRACE_CHAIN(2, MILLRACE_TOP(4), MILLRACE_FIRST_2,
               MILLRACE_ADD("add", 5, 10) MILLRACE_ADD("addc", 6, 11), MILLRACE_ACCS_2, MILLRACE_LIMBS_2, MILLRACE_BODY_2)

#define MILLRACE_FIRST_3(op) MILLRACE_MAD(op, 0, 1, 9, 12)
#define MILLRACE_BODY_3 \
  MILLRACE_MAD("madc", 2, 3, 10, 12) MILLRACE_MAD("madc", 4, 5, 11, 12)
#define MILLRACE_ACCS_3 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2), MILLRACE_TWO(acc, 4)
#define MILLRACE_LIMBS_3 "r"(a[0]), "r"(a[2]), "r"(a[4])
MILLRACE_CHAIN(3, MILLRACE_TOP(6), MILLRACE_FIRST_3,
               MILLRACE_ADD("add", 7, 13) MILLRACE_ADD("addc", 8, 14), MILLRACE_ACCS_3, MILLRACE_LIMBS_3, MILLRACE_BODY_3)

#define MILLRACE_FIRST_4(op) MILLRACE_MAD(op, 0, 1, 11, 15)
#define MILLRACE_BODY_4 \
  MILLRACE_MAD("madc", 2, 3, 12, 15) MILLRACE_MAD("madc", 4, 5, 13, 15) \
  MILLRACE_MAD("madc", 6, 7, 14, 15)
#define MILLRACE_ACCS_4 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2), MILLRACE_TWO(acc, 4), MILLRACE_TWO(acc, 6)
#define MILLRACE_LIMBS_4 "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6])
MILLRACE_CHAIN(4, MILLRACE_TOP(8), MILLRACE_FIRST_4,
               MILLRACE_ADD("add", 9, 16) MILLRACE_ADD("addc", 10, 17), MILLRACE_ACCS_4, MILLRACE_LIMBS_4, MILLRACE_BODY_4)

#define MILLRACE_FIRST_5(op) MILLRACE_MAD(op, 0, 1, 13, 18)
#define MILLRACE_BODY_5 \
  MILLRACE_MAD("madc", 2, 3, 14, 18) MILLRACE_MAD("madc", 4, 5, 15, 18) \
  MILLRACE_MAD("madc", 6, 7, 16, 18) MILLRACE_MAD("madc", 8, 9, 17, 18)
#define MILLRACE_ACCS_5 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2), MILLRACE_TWO(acc, 4), MILLRACE_TWO(acc, 6), \
  MILLRACE_TWO(acc, 8)
#define MILLRACE_LIMBS_5 "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6]), "r"(a[8])
MILLRACE_CHAIN(5, MILLRACE_TOP(10), MILLRACE_FIRST_5,
               MILLRACE_ADD("add", 11, 19) MILLRACE_ADD("addc", 12, 20), MILLRACE_ACCS_5, MILLRACE_LIMBS_5, MILLRACE_BODY_5)

#define MILLRACE_FIRST_6(op) MILLRACE_MAD(op, 0, 1, 15, 21)
#define MILLRACE_BODY_6 \
  MILLRACE_MAD("madc", 2, 3, 16, 21) MILLRACE_MAD("madc", 4, 5, 17, 21) \
  MILLRACE_MAD("madc", 6, 7, 18, 21) MILLRACE_MAD("madc", 8, 9, 19, 21) \
  MILLRACE_MAD("madc", 10, 11, 20, 21)
#define MILLRACE_ACCS_6 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2), MILLRACE_TWO(acc, 4), \
  MILLRACE_TWO(acc, 6), MILLRACE_TWO(acc, 8), MILLRACE_TWO(acc, 10)
#define MILLRACE_LIMBS_6 "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6]), "r"(a[8]), "r"(a[10])
MILLRACE_CHAIN(6, MILLRACE_TOP(12), MILLRACE_FIRST_6,
               MILLRACE_ADD("add", 13, 22) MILLRACE_ADD("addc", 14, 23), MILLRACE_ACCS_6, MILLRACE_LIMBS_6, MILLRACE_BODY_6)

#define MILLRACE_FIRST_7(op) MILLRACE_MAD(op, 0, 1, 17, 24)
#define MILLRACE_BODY_7 \
  MILLRACE_MAD("madc", 2, 3, 18, 24) MILLRACE_MAD("madc", 4, 5, 19, 24) \
  MILLRACE_MAD("madc", 6, 7, 20, 24) MILLRACE_MAD("madc", 8, 9, 21, 24) \
  MILLRACE_MAD("madc", 10, 11, 22, 24) MILLRACE_MAD("madc", 12, 13, 23, 24)
#define MILLRACE_ACCS_7 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2), MILLRACE_TWO(acc, 4), MILLRACE_TWO(acc, 6), \
  MILLRACE_TWO(acc, 8), MILLRACE_TWO(acc, 10), MILLRACE_TWO(acc, 12)
#define MILLRACE_LIMBS_7 "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6]), "r"(a[8]), "r"(a[10]), "r"(a[12])
MILLRACE_CHAIN(7, MILLRACE_TOP(14), MILLRACE_FIRST_7,
               MILLRACE_ADD("add", 15, 25) MILLRACE_ADD("addc", 16, 26), MILLRACE_ACCS_7, MILLRACE_LIMBS_7, MILLRACE_BODY_7)

#define MILLRACE_FIRST_8(op) MILLRACE_MAD(op, 0, 1, 19, 27)
#define MILLRACE_BODY_8 \
  MILLRACE_MAD("madc", 2, 3, 20, 27) MILLRACE_MAD("madc", 4, 5, 21, 27) \
  MILLRACE_MAD("madc", 6, 7, 22, 27) MILLRACE_MAD("madc", 8, 9, 23, 27) \
  MILLRACE_MAD("madc", 10, 11, 24, 27) MILLRACE_MAD("madc", 12, 13, 25, 27) \
  MILLRACE_MAD("madc", 14, 15, 26, 27)
#define MILLRACE_ACCS_8 \
  MILLRACE_TWO(acc, 0), MILLRACE_TWO(acc, 2), MILLRACE_TWO(acc, 4), MILLRACE_TWO(acc, 6), \
  MILLRACE_TWO(acc, 8), MILLRACE_TWO(acc, 10), MILLRACE_TWO(acc, 12), MILLRACE_TWO(acc, 14)
#define MILLRACE_LIMBS_8 "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6]), "r"(a[8]), "r"(a[10]), "r"(a[12]), "r"(a[14])
MILLRACE_CHAIN(8, MILLRACE_TOP(16), MILLRACE_FIRST_8,
               MILLRACE_ADD("add", 17, 28) MILLRACE_ADD("addc", 18, 29), MILLRACE_ACCS_8, MILLRACE_LIMBS_8, MILLRACE_BODY_8)

/// x += y over N limbs, top += carry; addWith adds `in`, 0 or 1, as well.
template <int N>
struct Sum;

#define MILLRACE_SUM(N, OUTS, INS, IN, BODY)                                                \
  template <>                                                                               \
  struct Sum<N> {                                                                           \
    static MILLRACE_FN void add(Word* x, const Word* y, Word& top) {                        \
      Word in = 0;                                                                          \
      asm(BODY("add") MILLRACE_TOP(N) : OUTS, "+r"(top), "+r"(in) : INS);                   \
    }                                                                                       \
    static MILLRACE_FN void addWith(Word* x, const Word* y, Word in, Word& top) {           \
      in <<= 31;                                                                            \
      asm(MILLRACE_ADD("add", IN, IN) BODY("addc") MILLRACE_TOP(N) : OUTS, "+r"(top), "+r"(in) : INS); \
    }                                                                                       \
  };

#define MILLRACE_ADDS_2(op) \
  MILLRACE_ADD(op, 0, 4) MILLRACE_ADD("addc", 1, 5)
#define MILLRACE_OUTS_2 \
  MILLRACE_TWO(x, 0)
#define MILLRACE_INS_2 \
  "r"(y[0]), "r"(y[1])
MILLRACE_SUM(2, MILLRACE_OUTS_2, MILLRACE_INS_2, 3, MILLRACE_ADDS_2)

#define MILLRACE_ADDS_4(op) \
  MILLRACE_ADD(op, 0, 6) MILLRACE_ADD("addc", 1, 7) MILLRACE_ADD("addc", 2, 8) \
  MILLRACE_ADD("addc", 3, 9)
#define MILLRACE_OUTS_4 \
  MILLRACE_TWO(x, 0), MILLRACE_TWO(x, 2)
#define MILLRACE_INS_4 \
  "r"(y[0]), "r"(y[1]), "r"(y[2]), "r"(y[3])
MILLRACE_SUM(4, MILLRACE_OUTS_4, MILLRACE_INS_4, 5, MILLRACE_ADDS_4)

#define MILLRACE_ADDS_6(op) \
  MILLRACE_ADD(op, 0, 8) MILLRACE_ADD("addc", 1, 9) MILLRACE_ADD("addc", 2, 10) \
  MILLRACE_ADD("addc", 3, 11) MILLRACE_ADD("addc", 4, 12) MILLRACE_ADD("addc", 5, 13)
#define MILLRACE_OUTS_6 \
  MILLRACE_TWO(x, 0), MILLRACE_TWO(x, 2), MILLRACE_TWO(x, 4)
#define MILLRACE_INS_6 \
  "r"(y[0]), "r"(y[1]), "r"(y[2]), "r"(y[3]), "r"(y[4]), "r"(y[5])
MILLRACE_SUM(6, MILLRACE_OUTS_6, MILLRACE_INS_6, 7, MILLRACE_ADDS_6)

#define MILLRACE_ADDS_8(op) \
  MILLRACE_ADD(op, 0, 10) MILLRACE_ADD("addc", 1, 11) MILLRACE_ADD("addc", 2, 12) \
  MILLRACE_ADD("addc", 3, 13) MILLRACE_ADD("addc", 4, 14) MILLRACE_ADD("addc", 5, 15) \
  MILLRACE_ADD("addc", 6, 16) MILLRACE_ADD("addc", 7, 17)
#define MILLRACE_OUTS_8 \
  MILLRACE_TWO(x, 0), MILLRACE_TWO(x, 2), MILLRACE_TWO(x, 4), MILLRACE_TWO(x, 6)
#define MILLRACE_INS_8 \
  "r"(y[0]), "r"(y[1]), "r"(y[2]), "r"(y[3]), "r"(y[4]), "r"(y[5]), "r"(y[6]), "r"(y[7])
MILLRACE_SUM(8, MILLRACE_OUTS_8, MILLRACE_INS_8, 9, MILLRACE_ADDS_8)

#define MILLRACE_ADDS_12(op) \
  MILLRACE_ADD(op, 0, 14) MILLRACE_ADD("addc", 1, 15) MILLRACE_ADD("addc", 2, 16) \
  MILLRACE_ADD("addc", 3, 17) MILLRACE_ADD("addc", 4, 18) MILLRACE_ADD("addc", 5, 19) \
  MILLRACE_ADD("addc", 6, 20) MILLRACE_ADD("addc", 7, 21) MILLRACE_ADD("addc", 8, 22) \
  MILLRACE_ADD("addc", 9, 23) MILLRACE_ADD("addc", 10, 24) MILLRACE_ADD("addc", 11, 25)
#define MILLRACE_OUTS_12 \
  MILLRACE_TWO(x, 0), MILLRACE_TWO(x, 2), MILLRACE_TWO(x, 4), MILLRACE_TWO(x, 6), \
  MILLRACE_TWO(x, 8), MILLRACE_TWO(x, 10)
#define MILLRACE_INS_12 \
  "r"(y[0]), "r"(y[1]), "r"(y[2]), "r"(y[3]), "r"(y[4]), "r"(y[5]), "r"(y[6]), "r"(y[7]), \
  "r"(y[8]), "r"(y[9]), "r"(y[10]), "r"(y[11])
MILLRACE_SUM(12, MILLRACE_OUTS_12, MILLRACE_INS_12, 13, MILLRACE_ADDS_12)

#define MILLRACE_ADDS_16(op) \
  MILLRACE_ADD(op, 0, 18) MILLRACE_ADD("addc", 1, 19) MILLRACE_ADD("addc", 2, 20) \
  MILLRACE_ADD("addc", 3, 21) MILLRACE_ADD("addc", 4, 22) MILLRACE_ADD("addc", 5, 23) \
  MILLRACE_ADD("addc", 6, 24) MILLRACE_ADD("addc", 7, 25) MILLRACE_ADD("addc", 8, 26) \
  MILLRACE_ADD("addc", 9, 27) MILLRACE_ADD("addc", 10, 28) MILLRACE_ADD("addc", 11, 29) \
  MILLRACE_ADD("addc", 12, 30) MILLRACE_ADD("addc", 13, 31) MILLRACE_ADD("addc", 14, 32) \
  MILLRACE_ADD("addc", 15, 33)
#define MILLRACE_OUTS_16 \
  MILLRACE_TWO(x, 0), MILLRACE_TWO(x, 2), MILLRACE_TWO(x, 4), MILLRACE_TWO(x, 6), \
  MILLRACE_TWO(x, 8), MILLRACE_TWO(x, 10), MILLRACE_TWO(x, 12), MILLRACE_TWO(x, 14)
#define MILLRACE_INS_16 \
  "r"(y[0]), "r"(y[1]), "r"(y[2]), "r"(y[3]), "r"(y[4]), "r"(y[5]), "r"(y[6]), "r"(y[7]), \
  "r"(y[8]), "r"(y[9]), "r"(y[10]), "r"(y[11]), "r"(y[12]), "r"(y[13]), "r"(y[14]), "r"(y[15])
MILLRACE_SUM(16, MILLRACE_OUTS_16, MILLRACE_INS_16, 17, MILLRACE_ADDS_16)

/// A single multiply-add or addition with a carry in, 0 or 1, that returns the carry out. Between two of these the carry is a predicate
/// and costs nothing: ptxas sees that reading it back from its register undoes writing it there.
MILLRACE_FN Word madThrough(Word* acc, Word a, Word b, Word in) {
  Word out;
  asm("{.reg .u32 t;\n\tadd.cc.u32 t, %5, 0xffffffff;\n\tmadc.lo.cc.u32 %0, %3, %4, %0;\n\t"
      "madc.hi.cc.u32 %1, %3, %4, %1;\n\taddc.u32 %2, 0, 0;}"
      : "+r"(acc[0]), "+r"(acc[1]), "=r"(out)
      : "r"(a), "r"(b), "r"(in));
  return out;
}
MILLRACE_FN Word addThrough(Word* x, const Word* y, Word in) {
  Word out;
  asm("{.reg .u32 t;\n\tadd.cc.u32 t, %5, 0xffffffff;\n\taddc.cc.u32 %0, %0, %3;\n\taddc.cc.u32 %1, %1, %4;\n\t"
      "addc.u32 %2, 0, 0;}"
      : "+r"(x[0]), "+r"(x[1]), "=r"(out)
      : "r"(y[0]), "r"(y[1]), "r"(in));
  return out;
}
/// Carries as a number: one instruction for one of them, two for three.
MILLRACE_FN Word sumOfCarries(Word a, Word b, Word c) {
  Word out;
  asm("{.reg .u32 t;\n\tadd.cc.u32 t, %1, 0xffffffff;\n\taddc.u32 %0, 0, 0;\n\tadd.cc.u32 t, %2, 0xffffffff;\n\t"
      "addc.u32 %0, %0, 0;\n\tadd.cc.u32 t, %3, 0xffffffff;\n\taddc.u32 %0, %0, 0;}"
      : "=&r"(out)
      : "r"(a), "r"(b), "r"(c));
  return out;
}
/// The caller knows that this carry is zero.
MILLRACE_FN void noCarry(Word) {}

#else

/// Carries out of chains that must have none; tests expect zero.
inline std::uint64_t& carriesLost() {
  static std::uint64_t lost = 0;
  return lost;
}

/// 64-bit sums of all lanes, a limb at a time.
template <class W>
struct Chains {
  typedef std::uint64_t Wide __attribute__((vector_size(8 * kWarp)));
  static Wide widen(const W& x) { return __builtin_convertvector(x.v, Wide); }
  static W narrow(const Wide& x) { return W(__builtin_convertvector(x, typename W::Lanes)); }
  /// limb += x + carry; the new carry.
  static Wide put(W& limb, const Wide& x, const Wide& carry) {
    const Wide sum = widen(limb) + x + carry;
    limb = narrow(sum);
    return sum >> 32;
  }
};

/// The twins of the chains above. A chain that must not carry out checks that.
template <int N>
struct Chain {
  template <class W>
  static typename Chains<W>::Wide run(W* acc, const W* a, const W& b, typename Chains<W>::Wide carry) {
    using C = Chains<W>;
    for (int i = 0; i < N; i++) {
      const typename C::Wide product = C::widen(a[2 * i]) * C::widen(b);
      carry = C::put(acc[2 * i], product & 0xffffffffu, carry);
      carry = C::put(acc[2 * i + 1], product >> 32, carry);
      if (W::kFault == Fault::kDroppedCarry && i == 0) carry ^= carry;
    }
    return carry;
  }
  template <class W>
  static typename Chains<W>::Wide merge(W& x0, W& x1, const W& y0, const W& y1) {
    using C = Chains<W>;
    return C::put(x1, C::widen(y1), C::put(x0, C::widen(y0), typename C::Wide{}));
  }
  template <class W>
  static void expectNone(const typename Chains<W>::Wide& carry) {
    for (int l = 0; l < kWarp; l++) carriesLost() += carry[l];
  }
  template <class W>
  static void mad(W* acc, const W* a, const W& b) {
    expectNone<W>(run(acc, a, b, typename Chains<W>::Wide{}));
  }
  template <class W>
  static void madCarry(W* acc, const W* a, const W& b, W& top) {
    const auto carry = run(acc, a, b, typename Chains<W>::Wide{});
    if (W::kFault != Fault::kLostCarryOut) top += Chains<W>::narrow(carry);
  }
  template <class W>
  static void mergeMad(W& x0, W& x1, const W& y0, const W& y1, W* acc, const W* a, const W& b) {
    expectNone<W>(run(acc, a, b, merge(x0, x1, y0, y1)));
  }
  template <class W>
  static void mergeMadCarry(W& x0, W& x1, const W& y0, const W& y1, W* acc, const W* a, const W& b, W& top) {
    top += Chains<W>::narrow(run(acc, a, b, merge(x0, x1, y0, y1)));
  }
};

template <int N>
struct Sum {
  template <class W>
  static void add(W* x, const W* y, W& top) {
    using C = Chains<W>;
    typename C::Wide carry{};
    for (int i = 0; i < N; i++) carry = C::put(x[i], C::widen(y[i]), carry);
    top += C::narrow(carry);
  }
  template <class W>
  static void addWith(W* x, const W* y, const W& in, W& top) {
    using C = Chains<W>;
    typename C::Wide carry = C::widen(in);
    for (int i = 0; i < N; i++) carry = C::put(x[i], C::widen(y[i]), carry);
    top += C::narrow(carry);
  }
};

template <class W>
W madThrough(W* acc, const W& a, const W& b, const W& in) {
  const W out = Chains<W>::narrow(Chain<1>::run(acc, &a, b, Chains<W>::widen(in)));
  return W::kFault == Fault::kLostCarryOut ? W(0) : out;
}
template <class W>
W addThrough(W* x, const W* y, const W& in) {
  W out = W(0);
  Sum<2>::addWith(x, y, in, out);
  return out;
}
template <class W>
W sumOfCarries(const W& a, const W& b, const W& c) {
  return a + b + c;
}
template <class W>
void noCarry(const W& carry) {
  Chain<1>::expectNone<W>(Chains<W>::widen(carry));
}

#endif

}  // namespace millrace::kernels
