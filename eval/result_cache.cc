// SPDX-License-Identifier: Apache-2.0
#include "eval/result_cache.h"

#include <xxhash.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

namespace lichen::eval {
namespace {

using Json = nlohmann::json;

// The key and the figures of a line, or nothing when it is damaged.
std::optional<std::pair<std::string, Record>> ParseLine(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || json.size() != 1 || !json.begin()->is_array()) return std::nullopt;
  Record record;
  for (const Json& figure : *json.begin()) {
    if (!figure.is_number() && !figure.is_null()) return std::nullopt;
    record.push_back(figure.is_null() ? std::nullopt : std::optional<double>(figure.get<double>()));
  }
  return std::pair(json.begin().key(), record);
}

std::string ToHexadecimal(const XXH128_hash_t& hash) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text;
}

}  // namespace

Result<std::unique_ptr<ResultCache>> ResultCache::Open(const std::string& path) {
  std::unique_ptr<ResultCache> cache(new ResultCache);
  bool complete = true;  // the last line ends with a line break
  std::ifstream old(path);
  for (std::string line; std::getline(old, line);) {
    complete = !old.eof();
    if (const auto entry = ParseLine(line)) cache->records_[entry->first] = entry->second;
  }
  cache->file_.open(path, std::ios::app);
  if (!cache->file_) return Status(StatusCode::kIoError, path + ": cannot be written");
  if (!complete) cache->file_ << "\n" << std::flush;
  return cache;
}

std::optional<Record> ResultCache::Find(const std::string& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = records_.find(key);
  return found == records_.end() ? std::nullopt : std::optional<Record>(found->second);
}

void ResultCache::Add(const std::string& key, const Record& record) {
  Json figures = Json::array();
  for (const std::optional<double>& figure : record) figures.push_back(figure ? Json(*figure) : Json(nullptr));
  Json line = Json::object();
  line[key] = figures;
  const std::lock_guard<std::mutex> lock(mutex_);
  records_[key] = record;
  file_ << line.dump(-1, ' ', true, Json::error_handler_t::replace) << "\n" << std::flush;
}

std::string HashPicture(const Image& image) {
  const std::string kind = std::to_string(image.width) + "x" + std::to_string(image.height) + "x" +
                           std::to_string(image.channels) + "x" + std::to_string(image.bit_depth) + ":";
  return kind + HashBytes(image.pixels);
}

std::string HashBytes(const std::vector<uint8_t>& bytes) {
  return ToHexadecimal(XXH3_128bits(bytes.data(), bytes.size()));
}

}  // namespace lichen::eval
