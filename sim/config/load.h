// Configuration structs (sim/config/param.h) ↔ JSON: loading with one clear message per problem, writing back, the
// list of parameters, and the JSON schema.
//
//   Document d = Document::from_file("configs/quickstart.json");
//   d.include("machine");
//   d.set("/machine/cpus=4");
//   ScenarioConfig c;
//   load(c, d);
#pragma once

#include <string>
#include <vector>

#include "sim/config/json_file.h"
#include "sim/config/param.h"

namespace xensim::config {

// One parameter, as `xensim params` shows it.
struct ParamRow {
  std::string path;  // JSON pointer; an element of a list is "*", of a map "NAME"
  std::string unit;
  std::string default_value;  // JSON
  std::string range;          // "1 … 64, a power of two"; empty if any value will do
  std::string doc;
  std::string source;
};

namespace detail {
void load(StructRef& to, const Document& from, const std::string& pointer);
Json save(StructRef& from);
Json schema(StructRef& defaults, const std::string& title);
std::vector<ParamRow> params(StructRef& defaults);
}  // namespace detail

// Sets what the document has at the pointer; what it does not mention stays as it is. Throws UserError with a line
// per problem: unknown keys, wrong types, values out of range.
template <class T>
void load(T& to, const Document& from, const std::string& pointer = "") {
  StructRefTo<T> ref(to);
  detail::load(ref, from, pointer);
}

// Every parameter, in order of description, in the form that load() reads; empty optionals are left out.
template <class T>
Json save(const T& from) {
  T copy = from;
  StructRefTo<T> ref(copy);
  return detail::save(ref);
}

// The JSON schema (draft 7) of what load() accepts, up to units in strings. A struct whose unit is "file" may be a
// string too: a path for Document::include().
template <class T>
Json schema_of(const std::string& title) {
  T defaults{};
  StructRefTo<T> ref(defaults);
  return detail::schema(ref, title);
}

template <class T>
std::vector<ParamRow> params_of() {
  T defaults{};
  StructRefTo<T> ref(defaults);
  return detail::params(ref);
}
// As a table for people, one parameter in two lines.
std::string to_text(const std::vector<ParamRow>& rows);

// Checks a document against a schema; throws UserError with a line per problem. load() finds more, with better
// words: this is for files that others wrote against configs/schema/.
void validate(const Document& document, const Json& schema);

}  // namespace xensim::config
