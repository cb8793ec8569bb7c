# SPDX-License-Identifier: Apache-2.0
# Sums what oneDNN prints of its convolutions, by data type and geometry, the slowest first:
#   ONEDNN_VERBOSE=1 lichen-dec --threads 1 photo.lic photo.png | awk -F, -f layer_times.awk | sort -rn
# Columns: milliseconds, calls, GMAC/s, source type, oneDNN's kernel, input and output channels, kernel size.
$1 == "onednn_verbose" && $2 == "exec" && $4 == "convolution" {
  split($7, source, ":")
  line = $10
  ic = oc = oh = ow = kh = kw = 1
  if (match(line, /ic[0-9]+/)) ic = substr(line, RSTART + 2, RLENGTH - 2)
  if (match(line, /oc[0-9]+/)) oc = substr(line, RSTART + 2, RLENGTH - 2)
  if (match(line, /oh[0-9]+/)) oh = substr(line, RSTART + 2, RLENGTH - 2)
  if (match(line, /ow[0-9]+/)) ow = substr(line, RSTART + 2, RLENGTH - 2)
  if (match(line, /kh[0-9]+/)) kh = substr(line, RSTART + 2, RLENGTH - 2)
  if (match(line, /kw[0-9]+/)) kw = substr(line, RSTART + 2, RLENGTH - 2)
  key = source[1] " " $5 " ic" ic " oc" oc " k" kh
  time[key] += $NF
  calls[key] += 1
  macs[key] += ic * oc * oh * ow * kh * kw
}
END {
  for (key in time) printf "%9.2f ms %5d calls %7.1f GMAC/s  %s\n", time[key], calls[key], macs[key] / time[key] / 1e6, key
}
