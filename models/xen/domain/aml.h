// Writes ACPI Machine Language (ACPI 6.4, chapter 20): the terms that Xen's DSDT needs, each with the encoding
// that Intel's compiler chooses. A term is its bytes; terms are joined by +.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace xensim::xen::aml {

using Term = std::string;  // bytes

enum class Space : std::uint8_t { kSystemMemory = 0, kSystemIo = 1 };

// One element of a field: a name and its bits; without a name, bits to skip.
struct FieldElement {
  std::string_view name;
  unsigned bits;
};

// Names are of four characters. Arguments and locals are terms.
Term integer(std::uint64_t value);
Term string(std::string_view text);
Term bytes(std::string_view content);  // a Buffer
Term name(std::string_view name, const Term& value);
Term scope(std::string_view name, const Term& body);
Term method(std::string_view name, unsigned arguments, const Term& body);
Term processor(std::string_view name, unsigned id, std::uint32_t pblk, unsigned pblk_length, const Term& body);
Term operation_region(std::string_view name, Space space, const Term& offset, const Term& length);
// Access by bytes, without a lock, what is not written is preserved.
Term field(std::string_view region, const std::vector<FieldElement>& elements);

Term argument(unsigned i);
Term local(unsigned i);
Term parent(const Term& path);                           // ^path
Term root_path(std::string_view a, std::string_view b);  // \a.b
Term path(std::string_view a, std::string_view b);       // a.b

Term store(const Term& value, const Term& target);
Term add(const Term& a, const Term& b, const Term& target);
Term subtract(const Term& a, const Term& b, const Term& target);
Term bit_and(const Term& a, const Term& b, const Term& target);
Term shift_right(const Term& a, const Term& by, const Term& target);
Term to_buffer(const Term& value);
Term deref_of(const Term& reference);
Term index(const Term& buffer, const Term& at);
Term less(const Term& a, const Term& b);
Term equal(const Term& a, const Term& b);
Term not_equal(const Term& a, const Term& b);
Term notify(const Term& object, const Term& value);
Term sleep(const Term& ms);
Term give_back(const Term& value);  // Return
Term when(const Term& predicate, const Term& body);
Term otherwise(const Term& body);

}  // namespace xensim::xen::aml
