#include "bindings/store_options.h"

#include <cmath>
#include <utility>

namespace aurochs {

namespace {

bool ReadMap(Napi::Value value, LayerSpec* layer) {
  if (value.IsUndefined()) return true;
  if (!value.IsArray()) return false;
  layer->mapped = true;
  auto pieces = value.As<Napi::Array>();
  layer->map.reserve(pieces.Length());
  for (uint32_t i = 0; i < pieces.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    Napi::Value entry = pieces[i];
    if (!entry.IsArray()) return false;
    auto piece = entry.As<Napi::Array>();
    LayerPiece numbers;
    if (!ReadCount(piece[0u], &numbers.offset) || !ReadCount(piece[1u], &numbers.length) ||
        !ReadCount(piece[2u], &numbers.file_offset)) {
      return false;
    }
    if (piece.Length() > 3 && !ReadCount(piece[3u], &numbers.compressed)) return false;
    layer->map.push_back(numbers);
  }
  return true;
}

std::string ReadLayers(Napi::Value value, ChainSpec* options) {
  if (!value.IsArray()) return "layers has to be an array";
  auto layers = value.As<Napi::Array>();
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    Napi::HandleScope scope(value.Env());
    Napi::Value entry = layers[i];
    std::string name = "layers[" + std::to_string(i) + "]";
    if (!entry.IsObject()) return name + " has to be an object";
    auto object = entry.As<Napi::Object>();
    Napi::Value path = object.Get("path");
    if (!path.IsString()) return name + ".path has to be a string";
    LayerSpec layer;
    layer.path = path.As<Napi::String>().Utf8Value();
    if (!ReadMap(object.Get("map"), &layer)) {
      return name + ".map has to be an array of [offset, length, file offset, compressed]";
    }
    Napi::Value cluster = object.Get("clusterBytes");
    if (!cluster.IsUndefined() && !ReadCount(cluster, &layer.cluster_bytes)) {
      return name + ".clusterBytes has to be a whole number";
    }
    options->layers.push_back(std::move(layer));
  }
  return {};
}

}  // namespace

bool ReadCount(Napi::Value value, uint64_t* count) {
  if (!value.IsNumber()) return false;
  double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0) || number > 9007199254740991.0 || number != std::floor(number)) return false;
  *count = static_cast<uint64_t>(number);
  return true;
}

std::string ReadChainOptions(Napi::Value value, ChainSpec* options) {
  if (!value.IsObject()) return "options has to be an object";
  auto object = value.As<Napi::Object>();
  std::string error = ReadLayers(object.Get("layers"), options);
  if (!error.empty()) return error;
  Napi::Value backing = object.Get("backing");
  if (!backing.IsBoolean()) return "backing has to be a boolean";
  options->backing = backing.As<Napi::Boolean>();
  if (!ReadCount(object.Get("size"), &options->size)) return "size has to be a whole number of bytes";
  return {};
}

std::string ReadStoreOptions(Napi::Value value, ExtentStore::Options* options) {
  std::string error = ReadChainOptions(value, options);
  if (!error.empty()) return error;
  auto object = value.As<Napi::Object>();
  Napi::Value cache = object.Get("cache");
  std::string mode = cache.IsString() ? cache.As<Napi::String>().Utf8Value() : "";
  if (mode != "writeback" && mode != "none") return "cache has to be \"writeback\" or \"none\"";
  options->direct = mode == "none";
  Napi::Value map_path = object.Get("regionMapPath");
  if (!map_path.IsString()) return "regionMapPath has to be a string";
  options->region_map_path = map_path.As<Napi::String>().Utf8Value();
  Napi::Value missed_path = object.Get("missedMapPath");
  if (!missed_path.IsUndefined() && !missed_path.IsString()) return "missedMapPath has to be a string";
  if (missed_path.IsString()) options->missed_map_path = missed_path.As<Napi::String>().Utf8Value();
  Napi::Value zero_path = object.Get("zeroMapPath");
  if (!zero_path.IsUndefined() && !zero_path.IsString()) return "zeroMapPath has to be a string";
  if (zero_path.IsString()) options->zero_map_path = zero_path.As<Napi::String>().Utf8Value();
  Napi::Value lost = object.Get("pageCacheLost");
  if (!lost.IsUndefined() && !lost.IsBoolean()) return "pageCacheLost has to be a boolean";
  options->page_cache_lost = lost.IsBoolean() && lost.As<Napi::Boolean>().Value();
  if (!ReadCount(object.Get("regionSize"), &options->region_bytes))
    return "regionSize has to be a whole number";
  uint64_t threads;
  if (!ReadCount(object.Get("ioThreads"), &threads) || threads > INT32_MAX) {
    return "ioThreads has to be a whole number";
  }
  options->io_threads = static_cast<int>(threads);
  return {};
}

}  // namespace aurochs
