# Bash completion for platter.

# The word behind the first of these options on the line.
_platter_value_of() {
  local at
  for ((at = 1; at < ${#words[@]} - 1; ++at)); do
    [[ " $* " == *" ${words[at]} "* ]] && echo "${words[at + 1]}" && return
  done
}

# What the target's format takes, as the program says it.
_platter_creation_options() {
  local format
  if [[ $1 == create ]]; then format=$(_platter_value_of -f); else format=$(_platter_value_of -O); fi
  "${words[0]}" convert -O "${format:-raw}" -o help none none 2>/dev/null | sed -n 's/^  *\([a-z0-9_]*=\)<.*/\1/p'
  echo help
}

_platter() {
  local cur prev words cword
  _init_completion || return

  local verbs="amazon audit cat check compare convert create docker extract hash info inspect ls map measure"
  if [[ $cword -eq 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$verbs --help --version" -- "$cur")
    return
  fi

  local verb=${words[1]}
  case $prev in
    -O)
      mapfile -t COMPREPLY < <(compgen -W "raw qcow2 vhd vhdx vmdk vdi ploop ova ovf compressed" -- "$cur")
      return
      ;;
    -f | -F)
      mapfile -t COMPREPLY < <(compgen -W "raw qcow2 qcow vhd vhdx vmdk vdi ploop iso ova ovf" -- "$cur")
      return
      ;;
    -T) mapfile -t COMPREPLY < <(compgen -W "none writeback writethrough directsync unsafe" -- "$cur") && return ;;
    -t)
      [[ $verb == docker ]] && return
      mapfile -t COMPREPLY < <(compgen -W "none writeback writethrough directsync unsafe" -- "$cur")
      return
      ;;
    --tree) mapfile -t COMPREPLY < <(compgen -W "rock-ridge udf joliet iso9660-1999 iso9660" -- "$cur") && return ;;
    --digest | --file-digest) mapfile -t COMPREPLY < <(compgen -W "md5 sha1 sha224 sha256 sha384 sha512 blake2b blake2s
      sha3-256 sha3-512 crc32c xxh3" -- "$cur") && return ;;
    --compression) mapfile -t COMPREPLY < <(compgen -W "gzip zstd none" -- "$cur") && return ;;
    --output) mapfile -t COMPREPLY < <(compgen -W "human json" -- "$cur") && return ;;
    -r)
      if [[ $verb == check ]]; then
        mapfile -t COMPREPLY < <(compgen -W "leaks all" -- "$cur")
        return
      fi
      ;;
    -o)
      mapfile -t COMPREPLY < <(compgen -W "$(_platter_creation_options "$verb")" -- "$cur")
      compopt -o nospace
      return
      ;;
  esac

  if [[ $verb == amazon && $cword -eq 2 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "split join --help" -- "$cur")
    return
  fi
  if [[ $verb == docker && $cword -eq 2 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "flatten wrap --help" -- "$cur")
    return
  fi
  if [[ $cur != -* ]]; then
    _filedir
    return
  fi
  local options
  case $verb in
    amazon) options="-d -f -O -o -c --ami --aki --ari --append -U -q --force-share --image-opts --partition --kernel --force --help" ;;
    audit) options="--digest -C --directory -m --rate --state --resume --strict -p -q --quiet -v --verbose --output --help" ;;
    docker)
      if [[ ${words[2]} == wrap ]]; then
        options="-f -t --tag --platform --entrypoint --cmd -e --env --user --workdir --expose --volume --label --author
          --created --compression --partition -U -q --force-share --image-opts --help"
      else
        options="--image --platform --size --label -O -o -c -p -q --help"
      fi
      ;;
    hash) options="--digest --tag --file --guest --block --block-size --check -q --quiet --status -w --warn --strict
        --ignore-missing --disk -f -p --output -U --force-share --image-opts --help" ;;
    info) options="-f --output --backing-chain -U --force-share --image-opts --help" ;;
    inspect) options="--expect-disk --expect-container --policy --depth --output --allow-formats --max-virtual-size \
        --max-ratio --allow-references --allow-ambiguous --allow-truncated --allow-encrypted --help" ;;
    cat) options="-f --tree -U --force-share --image-opts --disk --help" ;;
    ls) options="-f -l -R --recursive --tree --output -U --force-share --image-opts --disk --help" ;;
    extract) options="-f -C --directory --tree -U --force-share --image-opts --disk --help" ;;
    check) options="-f --output -r -T -q -U --force-share --image-opts --help" ;;
    create) options="-f -o -b -F -u -q --from -V --volume-id --joliet --rock --boot --efi-boot --help" ;;
    convert)
      options="-f -O -o -B -F -c -C -p -q -n -t -T -S -m -W -l -U --force-share -r --target-is-zero --bitmaps
        --skip-broken-bitmaps --salvage --disk --digest --file-digest --no-reflink --recompress --compression-level --name
        --cpus --memory --os --network --firmware --image-opts --target-image-opts --help"
      ;;
    compare) options="-f -F -T -s -p -q --digest --guest --block-size -U --force-share --image-opts --disk --help" ;;
    map) options="-f --start-offset --max-length --output -U --force-share --image-opts --disk --help" ;;
    measure) options="-f -O -o -l --size --output -U --force-share --image-opts --disk --help" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}

complete -F _platter platter
