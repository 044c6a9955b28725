// The JSON schema check, by valijson; apart from load.cpp because valijson is slow to compile.
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "sim/base/error.h"
#include "sim/config/load.h"

namespace xensim::config {

void validate(const Document& document, const Json& schema) {
  // valijson knows nlohmann's sorted objects only.
  nlohmann::json plain_schema = nlohmann::json::parse(schema.dump());
  nlohmann::json plain = nlohmann::json::parse(document.json.dump());
  valijson::Schema compiled;
  valijson::SchemaParser parser;
  valijson::adapters::NlohmannJsonAdapter schema_adapter(plain_schema), target(plain);
  parser.populateSchema(schema_adapter, compiled);

  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  if (validator.validate(compiled, target, &results)) return;
  // The innermost complaint comes first; those about what contains it only repeat it.
  std::string text;
  std::string deepest;
  for (const valijson::ValidationResults::Error& e : results) {
    std::string pointer;
    for (const std::string& part : e.context) {
      if (part == "<root>") continue;
      // "[key]", with JSON pointers' escapes undone.
      std::string key = part.size() > 2 && part.front() == '[' ? part.substr(1, part.size() - 2) : part;
      pointer += "/" + pointer_token(key);
    }
    if (!deepest.empty() && deepest.starts_with(pointer) && deepest != pointer) continue;
    deepest = pointer;
    text += (text.empty() ? "" : "\n") + std::string(UserError(document.place(pointer), e.description).what());
  }
  throw UserError("", text);
}

}  // namespace xensim::config
