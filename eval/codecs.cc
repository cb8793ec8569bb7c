// SPDX-License-Identifier: Apache-2.0
#include "eval/codecs.h"

#include <cstdio>
#include <functional>

namespace lichen::eval {
namespace {

struct CodecEntry {
  const char* name;
  const char* package;  // of Debian, what a build without the codec lacks
  std::function<Result<std::unique_ptr<Codec>>(const LichenSettings&)> make;  // empty: not in this build
};

const std::vector<CodecEntry>& Codecs() {
  static const std::vector<CodecEntry> entries = {
      {"lichen", "", [](const LichenSettings& settings) { return MakeLichenCodec(settings); }},
      {"lichen-e0", "", [](const LichenSettings& settings) { return MakeLichenCodec(settings, 0); }},
      {"lichen-e2", "", [](const LichenSettings& settings) { return MakeLichenCodec(settings, 2); }},
      {"lichen-e3", "", [](const LichenSettings& settings) { return MakeLichenCodec(settings, 3); }},
      {"jpeg", "", [](const LichenSettings&) { return MakeJpegCodec(ChromaSampling::k420); }},
      {"jpeg-444", "", [](const LichenSettings&) { return MakeJpegCodec(ChromaSampling::k444); }},
#ifdef LICHEN_EVAL_WEBP
      {"webp", "libwebp-dev", [](const LichenSettings& settings) { return MakeWebpCodec(settings.threads); }},
#else
      {"webp", "libwebp-dev", nullptr},
#endif
#ifdef LICHEN_EVAL_JXL
      {"jxl", "libjxl-dev", [](const LichenSettings& settings) { return MakeJxlCodec(settings.threads); }},
#else
      {"jxl", "libjxl-dev", nullptr},
#endif
#ifdef LICHEN_EVAL_AVIF
      {"avif", "libavif-dev", [](const LichenSettings& settings) { return MakeAvifCodec(6, settings.threads); }},
      {"avif-s4", "libavif-dev", [](const LichenSettings& settings) { return MakeAvifCodec(4, settings.threads); }},
#else
      {"avif", "libavif-dev", nullptr},
      {"avif-s4", "libavif-dev", nullptr},
#endif
  };
  return entries;
}

const CodecEntry* Find(const std::string& name) {
  for (const CodecEntry& entry : Codecs()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace

std::string CodecNames() {
  std::string names;
  for (const CodecEntry& entry : Codecs()) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

std::string HowToInstall(const std::string& name) {
  const CodecEntry* entry = Find(name);
  if (entry == nullptr || entry->make) return "";
  return name + " is not in this build of lichen-eval; run apt-get install " + entry->package + " and build again";
}

Result<std::unique_ptr<Codec>> MakeCodec(const std::string& name, const LichenSettings& settings) {
  const CodecEntry* entry = Find(name);
  if (entry == nullptr) {
    return Status(StatusCode::kInvalidArgument, "no codec is called " + name + "; there are " + CodecNames());
  }
  if (!entry->make) return Status(StatusCode::kInvalidArgument, HowToInstall(name));
  return entry->make(settings);
}

std::vector<double> Steps(double from, double to, int count) {
  std::vector<double> values;
  for (int i = 0; i <= count; ++i) values.push_back(from + (to - from) * i / count);
  return values;
}

std::string FormatQuality(double quality) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", quality);
  return text;
}

}  // namespace lichen::eval
