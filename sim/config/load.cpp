#include "sim/config/load.h"

#include <algorithm>
#include <cmath>

#include "sim/base/error.h"
#include "sim/base/suggest.h"
#include "sim/config/quantity.h"

namespace xensim::config {
namespace {

std::string shown(const Json& j) {
  std::string text = j.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

Json json_of_integer(__int128 v, std::string_view unit) {
  if (has_text_form(unit)) return format_quantity(v, unit);
  if (v < 0) return static_cast<std::int64_t>(v);
  return static_cast<std::uint64_t>(v);
}

// What to write where an integer is wanted.
std::string mend_of_integer(const IntegerRef& member, const ParamInfo& info) {
  if (needs_unit(info.unit)) return missing_unit("").mend;
  if (!has_text_form(info.unit)) return "";
  return "write a number, or a string like \"" + format_quantity(member.get(), info.unit) + "\"";
}

// Loads one struct, or (element) one value; problems are collected.
class Loader final : public Visitor {
 public:
  Loader(const Document& document, std::vector<std::string>& problems, std::string pointer)
      : document_(document), problems_(problems), pointer_(std::move(pointer)) {}

  void load_struct(StructRef& to, const Json& from) {
    if (!from.is_object()) {
      complain(pointer_, shown(from) + " is not an object", "write {…}");
      return;
    }
    object_ = &from;
    to.visit(*this);
    for (const auto& [key, value] : from.items())
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        complain(child(key), "unknown key \"" + key + "\"", suggestion(key, known_));
  }

 protected:
  void on_bool(bool& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    if (j->is_boolean())
      member = j->get<bool>();
    else
      complain(place(info), shown(*j) + " is not a boolean", "write true or false");
  }

  void on_integer(IntegerRef& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    __int128 value = 0;
    double d = j->is_number_float() ? j->get<double>() : 0.5;
    if (j->is_number_unsigned()) {
      value = j->get<std::uint64_t>();
    } else if (j->is_number_integer()) {
      value = j->get<std::int64_t>();
    } else if (std::trunc(d) == d && std::fabs(d) < 9007199254740992.0) {
      value = static_cast<std::int64_t>(d);  // "1e9"
    } else if (j->is_string()) {
      try {
        value = parse_quantity(j->get<std::string>(), info.unit, document_.place(place(info)));
      } catch (const UserError& e) {
        problems_.emplace_back(e.what());
        return;
      }
    } else {
      complain(place(info), shown(*j) + " is not an integer", mend_of_integer(member, info));
      return;
    }
    if (j->is_number() && value != 0 && needs_unit(info.unit)) {
      const Complaint c = missing_unit(shown(*j));
      complain(place(info), c.what, c.mend);
    } else if (Complaint c = check_range(value, info, member.lowest(), member.highest()); !c.what.empty())
      complain(place(info), c.what, c.mend);
    else
      member.set(value);
  }

  void on_text(std::string& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    if (j->is_string())
      member = j->get<std::string>();
    else
      complain(place(info), shown(*j) + " is not a string", "write it in quotes");
  }

  void on_choice(ChoiceRef& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    std::span<const std::string_view> names = member.names();
    auto it =
        j->is_string() ? std::find(names.begin(), names.end(), j->get_ref<const std::string&>()) : names.end();
    if (it != names.end()) {
      member.set(static_cast<std::size_t>(it - names.begin()));
      return;
    }
    std::string list;
    for (std::string_view n : names) list += (list.empty() ? "\"" : ", \"") + std::string(n) + "\"";
    complain(place(info), shown(*j) + " is none of the choices", "use " + list);
  }

  void on_struct(StructRef& member, const ParamInfo& info) override {
    if (const Json* j = take(info)) Loader(document_, problems_, place(info)).load_struct(member, *j);
  }

  void on_optional(OptionalRef& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    member.set(!j->is_null());
    if (member.has()) member.visit(element(*j, place(info)), info);
  }

  void on_list(ListRef& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    if (!j->is_array()) {
      complain(place(info), shown(*j) + " is not a list",
               j->is_object() ? "write the whole list, […]: its elements cannot be set one by one" : "write […]");
      return;
    }
    // The list in the file is the whole list: nothing of the default's elements shines through.
    member.resize(0);
    member.resize(j->size());
    for (std::size_t i = 0; i < j->size(); ++i)
      member.visit(i, element((*j)[i], place(info) + "/" + std::to_string(i)), info);
  }

  void on_map(MapRef& member, const ParamInfo& info) override {
    const Json* j = take(info);
    if (!j) return;
    if (!j->is_object()) {
      complain(place(info), shown(*j) + " is not an object", "write {…}");
      return;
    }
    for (const auto& [key, value] : j->items())
      member.visit(key, element(value, place(info) + "/" + pointer_token(key)), info);
  }

 private:
  // The visitor for a value that is not found by name. Lives until the next call.
  Loader& element(const Json& value, std::string pointer) {
    element_ = std::make_unique<Loader>(document_, problems_, std::move(pointer));
    element_->direct_ = &value;
    return *element_;
  }

  const Json* take(const ParamInfo& info) {
    if (direct_) return direct_;
    known_.push_back(info.name);
    auto it = object_->find(std::string(info.name));
    return it == object_->end() ? nullptr : &*it;
  }
  std::string place(const ParamInfo& info) const { return direct_ ? pointer_ : child(info.name); }
  std::string child(std::string_view key) const { return pointer_ + "/" + pointer_token(key); }
  void complain(const std::string& pointer, const std::string& what, const std::string& mend) {
    problems_.emplace_back(UserError(document_.place(pointer), what, mend).what());
  }

  const Document& document_;
  std::vector<std::string>& problems_;
  std::string pointer_;
  const Json* object_ = nullptr;
  const Json* direct_ = nullptr;
  std::vector<std::string_view> known_;
  std::unique_ptr<Loader> element_;
};

// Writes one struct into an object, or one value.
class Saver final : public Visitor {
 public:
  Json result = Json::object();
  explicit Saver(bool direct = false) : direct_(direct) {}

 protected:
  void on_bool(bool& member, const ParamInfo& info) override { put(info, member); }
  void on_integer(IntegerRef& member, const ParamInfo& info) override {
    put(info, json_of_integer(member.get(), info.unit));
  }
  void on_text(std::string& member, const ParamInfo& info) override { put(info, member); }
  void on_choice(ChoiceRef& member, const ParamInfo& info) override {
    put(info, std::string(member.names()[member.get()]));
  }
  void on_struct(StructRef& member, const ParamInfo& info) override {
    Saver sub;
    member.visit(sub);
    put(info, std::move(sub.result));
  }
  void on_optional(OptionalRef& member, const ParamInfo& info) override {
    if (!member.has()) return;
    Saver sub(true);
    member.visit(sub, info);
    put(info, std::move(sub.result));
  }
  void on_list(ListRef& member, const ParamInfo& info) override {
    Json list = Json::array();
    for (std::size_t i = 0; i < member.size(); ++i) {
      Saver sub(true);
      member.visit(i, sub, info);
      list.push_back(std::move(sub.result));
    }
    put(info, std::move(list));
  }
  void on_map(MapRef& member, const ParamInfo& info) override {
    Json map = Json::object();
    for (const std::string& key : member.keys()) {
      Saver sub(true);
      member.visit(key, sub, info);
      map[key] = std::move(sub.result);
    }
    put(info, std::move(map));
  }

 private:
  void put(const ParamInfo& info, Json value) {
    if (direct_)
      result = std::move(value);
    else
      result[std::string(info.name)] = std::move(value);
  }
  bool direct_;
};

// The schema of one struct's members, or of one value.
class SchemaWriter final : public Visitor {
 public:
  Json result = Json::object();
  explicit SchemaWriter(bool direct = false) : direct_(direct) {}

  static Json of_struct(StructRef& s) {
    SchemaWriter sub;
    s.visit(sub);
    return {{"type", "object"}, {"properties", std::move(sub.result)}, {"additionalProperties", false}};
  }

 protected:
  void on_bool(bool& member, const ParamInfo& info) override {
    put(info, {{"type", "boolean"}, {"default", member}});
  }
  void on_integer(IntegerRef& member, const ParamInfo& info) override {
    Json schema;
    if (has_text_form(info.unit))
      schema["type"] = {"integer", "string"};
    else
      schema["type"] = "integer";
    __int128 low = std::max<__int128>(member.lowest(), info.range.min);
    __int128 high = std::min<__int128>(member.highest(), info.range.max);
    schema["minimum"] = static_cast<std::int64_t>(low);
    // What needs a unit is a string, but for 0.
    if (needs_unit(info.unit)) high = 0;
    if (high < low) {
      schema["type"] = "string";
      schema.erase("minimum");
    } else if (high < (static_cast<__int128>(1) << 53)) {  // beyond, a reader's floats are not exact
      schema["maximum"] = static_cast<std::uint64_t>(high);
    }
    if (info.range.multiple_of > 1) schema["multipleOf"] = info.range.multiple_of;
    schema["default"] = json_of_integer(member.get(), info.unit);
    put(info, std::move(schema));
  }
  void on_text(std::string& member, const ParamInfo& info) override {
    put(info, {{"type", "string"}, {"default", member}});
  }
  void on_choice(ChoiceRef& member, const ParamInfo& info) override {
    Json names = Json::array();
    for (std::string_view n : member.names()) names.push_back(std::string(n));
    put(info, {{"enum", std::move(names)}, {"default", std::string(member.names()[member.get()])}});
  }
  void on_struct(StructRef& member, const ParamInfo& info) override {
    Json schema = of_struct(member);
    if (info.unit == "file") schema = {{"anyOf", {{{"type", "string"}}, std::move(schema)}}};
    put(info, std::move(schema));
  }
  void on_optional(OptionalRef& member, const ParamInfo& info) override {
    SchemaWriter sub(true);
    member.visit_default(sub, info);
    sub.result.erase("default");
    put(info, std::move(sub.result));
  }
  void on_list(ListRef& member, const ParamInfo& info) override {
    SchemaWriter sub(true);
    member.visit_default(sub, info);
    Json schema{{"type", "array"}, {"items", std::move(sub.result)}};
    if (info.unit == "file") schema = {{"anyOf", {{{"type", "string"}}, std::move(schema)}}};
    put(info, std::move(schema));
  }
  void on_map(MapRef& member, const ParamInfo& info) override {
    SchemaWriter sub(true);
    member.visit_default(sub, info);
    put(info, {{"type", "object"}, {"additionalProperties", std::move(sub.result)}});
  }

 private:
  void put(const ParamInfo& info, Json schema) {
    if (direct_) {
      result = std::move(schema);
      return;
    }
    std::string description(info.doc);
    if (!info.unit.empty() && info.unit != "file") description += " [" + std::string(info.unit) + "]";
    if (std::string range = range_text(info); !range.empty()) description += " (" + range + ")";
    if (!description.empty()) schema["description"] = description;
    result[std::string(info.name)] = std::move(schema);
  }
  bool direct_;
};

class Lister final : public Visitor {
 public:
  Lister(std::vector<ParamRow>& rows, std::string pointer) : rows_(rows), pointer_(std::move(pointer)) {}

 protected:
  void on_bool(bool& member, const ParamInfo& info) override { row(info, member ? "true" : "false"); }
  void on_integer(IntegerRef& member, const ParamInfo& info) override {
    row(info, format_quantity(member.get(), info.unit), range_text(info));
  }
  void on_text(std::string& member, const ParamInfo& info) override { row(info, Json(member).dump()); }
  void on_choice(ChoiceRef& member, const ParamInfo& info) override {
    std::string names;
    for (std::string_view n : member.names()) names += (names.empty() ? "" : ", ") + std::string(n);
    row(info, "\"" + std::string(member.names()[member.get()]) + "\"", names);
  }
  void on_struct(StructRef& member, const ParamInfo& info) override {
    Lister sub(rows_, place(info));
    member.visit(sub);
  }
  void on_optional(OptionalRef& member, const ParamInfo& info) override {
    std::size_t first = rows_.size();
    Lister sub(rows_, place(info));
    sub.direct_ = true;
    member.visit_default(sub, info);
    if (!member.has())
      for (std::size_t i = first; i < rows_.size(); ++i) rows_[i].default_value = "none";
  }
  void on_list(ListRef& member, const ParamInfo& info) override { below(member, info, "/*"); }
  void on_map(MapRef& member, const ParamInfo& info) override { below(member, info, "/NAME"); }

 private:
  template <class Ref>
  void below(Ref& member, const ParamInfo& info, const char* token) {
    Lister sub(rows_, place(info) + token);
    sub.direct_ = true;
    member.visit_default(sub, info);
  }
  std::string place(const ParamInfo& info) const {
    return direct_ ? pointer_ : pointer_ + "/" + pointer_token(info.name);
  }
  void row(const ParamInfo& info, std::string value, std::string range = "") {
    rows_.push_back({place(info), std::string(info.unit), std::move(value), std::move(range),
                     std::string(info.doc), std::string(info.source)});
  }
  std::vector<ParamRow>& rows_;
  std::string pointer_;
  bool direct_ = false;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& l : lines) text += (text.empty() ? "" : "\n") + l;
  return text;
}

}  // namespace

namespace detail {

void load(StructRef& to, const Document& from, const std::string& pointer) {
  Json::json_pointer at(pointer);
  if (!from.json.contains(at)) return;
  std::vector<std::string> problems;
  Loader(from, problems, pointer).load_struct(to, from.json.at(at));
  if (!problems.empty()) throw UserError("", joined(problems));
}

Json save(StructRef& from) {
  Saver saver;
  from.visit(saver);
  return std::move(saver.result);
}

Json schema(StructRef& defaults, const std::string& title) {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", title}};
  schema.update(SchemaWriter::of_struct(defaults));
  return schema;
}

std::vector<ParamRow> params(StructRef& defaults) {
  std::vector<ParamRow> rows;
  Lister lister(rows, "");
  defaults.visit(lister);
  return rows;
}

}  // namespace detail

std::string to_text(const std::vector<ParamRow>& rows) {
  std::string text;
  for (const ParamRow& r : rows) {
    text += r.path + " = " + r.default_value;
    if (!r.unit.empty()) text += " [" + r.unit + "]";
    if (!r.range.empty()) text += " (" + r.range + ")";
    text += "\n    " + r.doc;
    if (!r.source.empty()) text += "; source: " + r.source;
    text += "\n";
  }
  return text;
}

}  // namespace xensim::config
