// SPDX-License-Identifier: Apache-2.0
// Writes tests/data/golden anew: write_golden_files FOLDER. For a change of the format that means to break old files.
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lichen/codec.h"
#include "test_data.h"

namespace {

void WriteFile(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  struct Case {
    const char* name;
    uint32_t width, height;
    int channels;
    double quality;
    uint32_t tile_size;
    lichen::Coding coding = lichen::Coding::kLearned;
  };
  constexpr lichen::Coding kDct = lichen::Coding::kDct;
  nlohmann::json manifest;
  for (const Case& c :
       {Case{"1x1", 1, 1, 3, 50, 1024}, Case{"rgb", 70, 50, 3, 85, 1024}, Case{"gray", 45, 33, 1, 60, 1024},
        Case{"tiles", 150, 90, 3, 20, 64}, Case{"best", 33, 40, 3, 100, 1024}, Case{"alpha", 61, 47, 4, 40, 64},
        Case{"dct", 150, 90, 3, 70, 64, kDct}, Case{"dct_gray", 45, 33, 1, 100, 1024, kDct},
        Case{"dct_alpha", 61, 47, 4, 100, 64, kDct}}) {
    lichen::EncodeOptions encode;
    encode.quality = c.quality;
    encode.tile_size = c.tile_size;
    encode.coding = c.coding;
    encode.model = lichen::test::ToyModel();
    lichen::DecodeOptions decode;
    decode.model = encode.model;
    const auto file = lichen::Encode(c.channels == 4 ? lichen::test::GoldenAlphaImage()
                                                     : lichen::test::SyntheticImage(c.width, c.height, c.channels),
                                     encode);
    if (!file.ok()) return 1;
    const auto image = lichen::Decode(file->data(), file->size(), decode);
    const auto hash = lichen::HashLatents(file->data(), file->size(), decode);
    if (!image.ok() || !hash.ok()) return 1;
    WriteFile(folder + "/" + c.name + ".lic", *file);
    WriteFile(folder + "/" + c.name + ".raw", image->pixels);
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(*hash));
    manifest[c.name] = {{"width", c.width}, {"height", c.height}, {"channels", c.channels}, {"latents", digits}};
  }
  std::ofstream(folder + "/manifest.json") << manifest.dump(1) << "\n";
  return 0;
}
