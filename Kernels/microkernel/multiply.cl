// One step of the K loop of microkernel/tile.cl in instructions of AVX-512, for compilers that take inline assembly.
//
// A compiler left to itself keeps a pointer for every row, or a row's scalar beside the accumulators and weights that
// fill the registers, and spills them within the loop. Here a row is addressed by the pointer of row 0 and an odd
// multiple of the pitch, scaled by 1, 2, 4 or 8, and registers hold MR * NR / 16 accumulators, up to three weights and
// one scalar; a fourth vector of weights stays in memory. The statements are volatile to keep their order.
//
// BF16_PAIRS: vdpbf16ps multiplies pairs of bfloat16 instead of floats, and takes denormals as 0. ASM_INTEGERS:
// vpdpbusd multiplies quads of unsigned bytes, signed ones moved by 128 (X_SIGNED), by quads of signed ones; the sums
// are the s_R_J of microkernel/integer.cl.
#if VECTOR != 16 || MR > 14
#error the instructions need vectors of 16 and at most 14 rows
#endif

#define TILE_ROWS(pitch)                                                                                               \
    DECLARE_MOVED const long tile_row_pitch = (pitch);                                                                 \
    const long tile_pitch_1 = (long)(pitch) * sizeof(TILE_ELEMENT), tile_pitch_3 = 3 * tile_pitch_1;                   \
    const long tile_pitch_5 = 5 * tile_pitch_1, tile_pitch_7 = 7 * tile_pitch_1, tile_pitch_9 = 9 * tile_pitch_1;      \
    const long tile_pitch_11 = 11 * tile_pitch_1, tile_pitch_13 = 13 * tile_pitch_1;

#define ROW_0 "(%[a])"
#define ROW_1 "(%[a],%[pitch])"
#define ROW_2 "(%[a],%[pitch],2)"
#define ROW_4 "(%[a],%[pitch],4)"
#define ROW_8 "(%[a],%[pitch],8)"
#define STEP_ROW_0(F) F(0, ROW_0, tile_pitch_1)
#define STEP_ROW_1(F) F(1, ROW_1, tile_pitch_1)
#define STEP_ROW_2(F) F(2, ROW_2, tile_pitch_1)
#define STEP_ROW_3(F) F(3, ROW_1, tile_pitch_3)
#define STEP_ROW_4(F) F(4, ROW_4, tile_pitch_1)
#define STEP_ROW_5(F) F(5, ROW_1, tile_pitch_5)
#define STEP_ROW_6(F) F(6, ROW_2, tile_pitch_3)
#define STEP_ROW_7(F) F(7, ROW_1, tile_pitch_7)
#define STEP_ROW_8(F) F(8, ROW_8, tile_pitch_1)
#define STEP_ROW_9(F) F(9, ROW_1, tile_pitch_9)
#define STEP_ROW_10(F) F(10, ROW_2, tile_pitch_5)
#define STEP_ROW_11(F) F(11, ROW_1, tile_pitch_11)
#define STEP_ROW_12(F) F(12, ROW_4, tile_pitch_3)
#define STEP_ROW_13(F) F(13, ROW_1, tile_pitch_13)

#if defined(ASM_INTEGERS)
#define MULTIPLY "\n\tvpdpbusd "
#define WEIGHTV int16
#define LOAD_WEIGHTS_AT(p) LOAD_VECTOR(p)
#elif defined(BF16_PAIRS)
#define MULTIPLY "\n\tvdpbf16ps "
#define WEIGHTV uint16
#define LOAD_WEIGHTS_AT(p) vload16(0, p)
#else
#define MULTIPLY "\n\tvfmadd231ps "
#define WEIGHTV FLOATV
#define LOAD_WEIGHTS_AT(p) LOAD_VECTOR(p)
#endif
#if defined(ASM_INTEGERS) && defined(X_SIGNED)
#define BROADCAST(address) "vpbroadcastd " address ", %[scalar]\n\tvpxord %[moved]%{1to16%}, %[scalar], %[scalar]"
#define MOVED_OPERAND , [moved] "m"(tile_moved)
#define DECLARE_MOVED const int tile_moved = 0x80808080;
#else
#define BROADCAST(address) "vbroadcastss " address ", %[scalar]"
#define MOVED_OPERAND
#define DECLARE_MOVED
#endif
#ifdef ASM_INTEGERS
#define SUM_OF(r, j) s_##r##_##j
#else
#define SUM_OF(r, j) acc_##r##_##j
#endif
#define MULTIPLY_COLUMN(j) MULTIPLY "%[weights" #j "], %[scalar], %[sum" #j "]"
#define MULTIPLY_LAST_COLUMN MULTIPLY "192(%[b]), %[scalar], %[sum3]"
#define SUM_OPERAND(r, j) [sum##j] "+v"(SUM_OF(r, j))
#define WEIGHTS_OPERAND(j) [weights##j] "v"(weights_##j)
#define ROW_OPERANDS(row_pitch) [a] "r"(tile_a), [pitch] "r"(row_pitch)MOVED_OPERAND

#if NR == 16
#define STEP_OF(r, address, row_pitch)                                                                                 \
    {                                                                                                                  \
        FLOATV scalar;                                                                                                 \
        __asm__ volatile(BROADCAST(address) MULTIPLY_COLUMN(0)                                                         \
                         : [scalar] "=&v"(scalar), SUM_OPERAND(r, 0)                                                   \
                         : WEIGHTS_OPERAND(0), ROW_OPERANDS(row_pitch));                                               \
    }
#elif NR == 32
#define STEP_OF(r, address, row_pitch)                                                                                 \
    {                                                                                                                  \
        FLOATV scalar;                                                                                                 \
        __asm__ volatile(BROADCAST(address) MULTIPLY_COLUMN(0) MULTIPLY_COLUMN(1)                                      \
                         : [scalar] "=&v"(scalar), SUM_OPERAND(r, 0), SUM_OPERAND(r, 1)                                \
                         : WEIGHTS_OPERAND(0), WEIGHTS_OPERAND(1), ROW_OPERANDS(row_pitch));                           \
    }
#elif NR == 48
#define STEP_OF(r, address, row_pitch)                                                                                 \
    {                                                                                                                  \
        FLOATV scalar;                                                                                                 \
        __asm__ volatile(BROADCAST(address) MULTIPLY_COLUMN(0) MULTIPLY_COLUMN(1) MULTIPLY_COLUMN(2)                   \
                         : [scalar] "=&v"(scalar), SUM_OPERAND(r, 0), SUM_OPERAND(r, 1), SUM_OPERAND(r, 2)             \
                         : WEIGHTS_OPERAND(0), WEIGHTS_OPERAND(1), WEIGHTS_OPERAND(2), ROW_OPERANDS(row_pitch));       \
    }
#else
#define STEP_OF(r, address, row_pitch)                                                                                 \
    {                                                                                                                  \
        FLOATV scalar;                                                                                                 \
        __asm__ volatile(                                                                                              \
            BROADCAST(address) MULTIPLY_COLUMN(0) MULTIPLY_COLUMN(1) MULTIPLY_COLUMN(2) MULTIPLY_LAST_COLUMN           \
            : [scalar] "=&v"(scalar), SUM_OPERAND(r, 0), SUM_OPERAND(r, 1), SUM_OPERAND(r, 2), SUM_OPERAND(r, 3)       \
            : WEIGHTS_OPERAND(0), WEIGHTS_OPERAND(1), WEIGHTS_OPERAND(2), [b] "r"(tile_b), ROW_OPERANDS(row_pitch));   \
    }
#endif

#define LOAD_ONE(r, j) const WEIGHTV weights_##j = SCALED(LOAD_WEIGHTS_AT(tile_b + j * VECTOR));
#if NR == 64
#define LOAD_COLUMNS LOAD_ONE(0, 0) LOAD_ONE(0, 1) LOAD_ONE(0, 2)
#else
#define LOAD_COLUMNS NEXT_SCALE COLUMNS_OF(LOAD_ONE, 0)
#endif
#define STEP_ROW(r) STEP_ROW_##r(STEP_OF)
