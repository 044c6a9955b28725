#!/usr/bin/env python3
"""Prints x87_transcendental_values.h: what the x87 unit's functions are, to 400 bits, by mpmath (Debian: python3-mpmath).

    tests/models/cpu/isa/x87_transcendental_values.py >tests/models/cpu/isa/x87_transcendental_values.h
"""

import random
from fractions import Fraction

from mpmath import atan2, cos, floor, log, mp, mpf, power, sin, tan

mp.prec = 40000  # for operands and results from one end of the range to the other
BITS = 400

# SDM 1, 8.3.8: the π that operands are reduced by.
PI_66 = Fraction(0xC90FDAA22168C234C, 1 << 66)


def number(sign_exponent, significand):
    exponent = max(sign_exponent & 0x7FFF, 1) - 16383 - 63
    value = Fraction(significand) * (Fraction(2) ** exponent)
    return -value if sign_exponent & 0x8000 else value


def real(value):
    return mpf(value.numerator) / mpf(value.denominator)


def truncated(value):
    """Sign and exponent, significand toward zero, and whether the nearest number is the next one."""
    sign = 0x8000 if value < 0 else 0
    value = abs(value)
    exponent = int(floor(log(value, 2)))
    while power(2, exponent) > value:
        exponent -= 1
    while power(2, exponent + 1) <= value:
        exponent += 1
    exponent = max(exponent, -16382)
    scaled = value * power(2, 63 - exponent)
    significand = int(floor(scaled))
    rest = scaled - significand
    assert rest > 0 and rest != mpf(1) / 2
    biased = exponent + 16383 if significand >> 63 else 0
    return sign | biased, significand, rest > mpf(1) / 2


def reduced(x):
    quarter = PI_66 / 2
    turns = round(x / quarter)
    return real(x - turns * quarter), turns % 4


def sine(x, quarters=0):
    rest, turns = reduced(x)
    turns = (turns + quarters) % 4
    value = cos(rest) if turns & 1 else sin(rest)
    return -value if turns & 2 else value


def tangent(x):
    rest, turns = reduced(x)
    return -1 / tan(rest) if turns & 1 else tan(rest)


FUNCTIONS = {
    "kTwoToTheXMinus1": lambda y, x: power(2, real(x)) - 1,
    "kYLog2X": lambda y, x: real(y) * log(real(x)) / log(mpf(2)),
    "kYLog2XPlus1": lambda y, x: real(y) * log(1 + real(x)) / log(mpf(2)),
    "kArctangent": lambda y, x: atan2(real(y), real(x)),
    "kSine": lambda y, x: sine(x),
    "kCosine": lambda y, x: sine(x, 1),
    "kTangent": lambda y, x: tangent(x),
}


def operands(generator, low, high, signs=(0, 0x8000)):
    """A number with a biased exponent between low and high."""
    significand = generator.getrandbits(64) | 1 << 63
    if generator.random() < 0.3:
        significand &= ~((1 << generator.randrange(60)) - 1)
    return generator.choice(signs) | generator.randint(low, high), significand


def cases(name, generator):
    bias = 0x3FFF
    for n in range(24):
        y = operands(generator, bias - 40, bias + 40)
        if name == "kTwoToTheXMinus1":
            yield (0, 0), operands(generator, bias - (70 if n < 8 else 6), bias - 1)
        elif name == "kYLog2X":
            x = operands(generator, 1, 0x7FFE, (0,)) if n < 12 else operands(generator, bias - 2, bias + 1, (0,))
            if n >= 18:  # next to one
                x = (bias, 1 << 63 | generator.getrandbits(4) + 1) if n & 1 else (bias - 1, (1 << 64) - 1 - n)
            yield y, x
        elif name == "kYLog2XPlus1":
            yield y, operands(generator, bias - (70 if n < 8 else 8), bias - 3)
        elif name == "kArctangent":
            yield (operands(generator, 0x3000, 0x5000) if n < 4 else y), operands(generator, bias - 40, bias + 40)
        elif n < 8:
            yield (0, 0), operands(generator, bias - 40, bias)
        elif n < 18:
            yield (0, 0), operands(generator, bias, bias + 62)
        else:  # next to a multiple of π/2
            multiple = PI_66 / 2 * generator.randint(1, 1 << (n - 8))
            exponent = multiple.numerator.bit_length() - multiple.denominator.bit_length()
            if Fraction(2) ** exponent > multiple:
                exponent -= 1
            yield (0, 0), (bias + exponent, int(multiple * Fraction(2) ** (63 - exponent)))
    # Results that are, or nearly are, a number of the format, and denormal ones.
    if name in ("kSine", "kTangent", "kCosine"):
        yield (0, 0), (bias - 60, 1 << 63)
        yield (0, 0), (bias - 30, 1 << 63)
        if name != "kCosine":
            yield (0, 0), (0x0005, 0xC000000000000001)
            yield (0, 0), (0, 0x12345)
    if name == "kArctangent":
        yield (bias - 50, 3 << 62), (bias, 1 << 63)
        yield (bias, 1 << 63), (bias, 1 << 63)
        yield (bias, 1 << 63), (bias | 0x8000, 1 << 63)
        yield (5, 3 << 62), (bias + 20, 1 << 63)


def main():
    print("// Made by x87_transcendental_values.py; do not edit.")
    print("#pragma once\n\n#include <cstdint>\n\nnamespace xensim::cpu::test {\n")
    print("enum class Function : std::uint8_t {" + ", ".join(FUNCTIONS) + "};\n")
    print("// The result toward zero, and whether the next number away from zero is nearer to the true value.")
    print("struct TranscendentalValue {")
    print("  Function function;")
    print("  std::uint16_t y_sign_exponent;\n  std::uint64_t y;\n  std::uint16_t x_sign_exponent;\n  std::uint64_t x;")
    print("  std::uint16_t sign_exponent;\n  std::uint64_t significand;\n  bool nearest_is_next;\n};\n")
    print("inline constexpr TranscendentalValue kTranscendentalValues[] = {")
    generator = random.Random(1987)
    for name, function in FUNCTIONS.items():
        for y, x in cases(name, generator):
            exact_y, exact_x = number(*y), number(*x)
            mp.prec = 40000 if min(x[0] & 0x7FFF, y[0] & 0x7FFF or 0x3FFF) < 0x3000 else 2 * BITS + 200
            sign_exponent, significand, up = truncated(function(exact_y, exact_x))
            print(
                f"    {{Function::{name}, {y[0]:#06x}, {y[1]:#018x}, {x[0]:#06x}, {x[1]:#018x}, "
                f"{sign_exponent:#06x}, {significand:#018x}, {'true' if up else 'false'}}},"
            )
    print("};\n\n}  // namespace xensim::cpu::test")


if __name__ == "__main__":
    main()
