// Random numbers by address, the same as those of `random/mod.rs` and `random/normal.rs`, bit for bit.
#pragma once
#include "elementary.cuh"

DEVICE u32 rotated(u32 value, u32 by) {
    return (value << by) | (value >> (32 - by));
}

DEVICE void quarter_round(u32* x, u32 a, u32 b, u32 c, u32 d) {
    x[a] += x[b]; x[d] = rotated(x[d] ^ x[a], 16);
    x[c] += x[d]; x[b] = rotated(x[b] ^ x[c], 12);
    x[a] += x[b]; x[d] = rotated(x[d] ^ x[a], 8);
    x[c] += x[d]; x[b] = rotated(x[b] ^ x[c], 7);
}

// The words 16 block to 16 block + 15 of the stream of an address: ChaCha8 with the address as its key.
DEVICE void stream_block(u64 seed, u64 purpose, u64 epoch, u64 index, u32 block, u32* out) {
    u32 start[16] = {0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u,
                     (u32)seed, (u32)(seed >> 32), (u32)purpose, (u32)(purpose >> 32),
                     (u32)epoch, (u32)(epoch >> 32), (u32)index, (u32)(index >> 32),
                     block, 0, 0, 0};
    for (u32 place = 0; place < 16; ++place) {
        out[place] = start[place];
    }
    for (u32 round = 0; round < 4; ++round) {
        quarter_round(out, 0, 4, 8, 12); quarter_round(out, 1, 5, 9, 13);
        quarter_round(out, 2, 6, 10, 14); quarter_round(out, 3, 7, 11, 15);
        quarter_round(out, 0, 5, 10, 15); quarter_round(out, 1, 6, 11, 12);
        quarter_round(out, 2, 7, 8, 13); quarter_round(out, 3, 4, 9, 14);
    }
    for (u32 place = 0; place < 16; ++place) {
        out[place] += start[place];
    }
}

// ln((word + 1/2) / 2^32)
DEVICE double ln_of_share(u32 word) {
    const long long ROOT = 0x3fe6a09e667f3bcdLL;
    u64 offset = (u64)__double_as_longlong((double)word + 0.5) - (u64)ROOT;
    double power = (double)((int)((offset + (1ULL << 52)) >> 52) - 33);
    double factor = __longlong_as_double((long long)((offset & ((1ULL << 52) - 1)) + (u64)ROOT));
    double s = (factor - 1.0) / (factor + 1.0), square = s * s;
    double tail = 1.0 / 23.0;
    tail = tail * square + 1.0 / 21.0;
    tail = tail * square + 1.0 / 19.0;
    tail = tail * square + 1.0 / 17.0;
    tail = tail * square + 1.0 / 15.0;
    tail = tail * square + 1.0 / 13.0;
    tail = tail * square + 1.0 / 11.0;
    tail = tail * square + 1.0 / 9.0;
    tail = tail * square + 1.0 / 7.0;
    tail = tail * square + 1.0 / 5.0;
    tail = tail * square + 1.0 / 3.0;
    return power * 6.931471803691238e-1 + (power * 1.9082149292705877e-10 + 2.0 * (s + s * square * tail));
}

// Box-Muller: two standard normals from two words.
DEVICE void normals_of(u32 of_radius, u32 of_angle, float* normal) {
    const u32 QUARTER = 1u << 30;
    double radius = sqrt(-2.0 * ln_of_share(of_radius));
    u32 quarters = (of_angle + QUARTER / 2) / QUARTER;
    int rest = (int)(of_angle - quarters * QUARTER);
    double x = (double)rest * (6.28318530717958647692 / 4294967296.0), square = x * x;
    double odd = 1.0 / 355687428096000.0;
    odd = odd * square + 1.0 / -1307674368000.0;
    odd = odd * square + 1.0 / 6227020800.0;
    odd = odd * square + 1.0 / -39916800.0;
    odd = odd * square + 1.0 / 362880.0;
    odd = odd * square + 1.0 / -5040.0;
    odd = odd * square + 1.0 / 120.0;
    odd = odd * square + 1.0 / -6.0;
    double even = 1.0 / 20922789888000.0;
    even = even * square + 1.0 / -87178291200.0;
    even = even * square + 1.0 / 479001600.0;
    even = even * square + 1.0 / -3628800.0;
    even = even * square + 1.0 / 40320.0;
    even = even * square + 1.0 / -720.0;
    even = even * square + 1.0 / 24.0;
    even = even * square + 1.0 / -2.0;
    double sine = x + x * square * odd, cosine = 1.0 + square * even;
    double along = quarters % 2 == 0 ? cosine : sine, across = quarters % 2 == 0 ? sine : cosine;
    along = (quarters + 1) & 2 ? -along : along;
    across = quarters & 2 ? -across : across;
    normal[0] = (float)(radius * along);
    normal[1] = (float)(radius * across);
}
