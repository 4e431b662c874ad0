"""The script by which U-Boot chooses a slot, counts its try and starts its kernel image.

For machines whose firmware has no loader that counts: U-Boot can start a
unified kernel image, but not rename files, so the counters live in two copies
of a state file beside the images (``osmodel.slotstate``).

What the script keeps to:

- A try is counted in at least one copy, and read back, before the slot is
  started. If no copy can be written, slots that need no counting come first.
- The copy that counts less is written first: one whole copy exists always.
- Both copies unreadable: both slots get tries again and a is the first, so that
  a bad slot is still left after them.
- A counted slot that cannot be loaded or started costs its try; a good one that
  cannot makes room for the other. At the end whatever loads is started, and if
  nothing does, the machine starts again.
- What does not have the checksum it carries counts as not loaded, except at the
  end: U-Boot crashes on some damaged images, and a good slot's starts are not
  counted.
- The kernel image's own command line wins: no arguments are handed over.

The text is for U-Boot's old shell: no functions, no ``elif``, arithmetic is
hexadecimal. Every value is read from the variables at run time, so one text
serves every board.

Source: U-Boot 2025.01, doc/usage/cmd/{bootefi,env,load,setexpr}.rst,
boot/bootmeth_script.c (devtype, devnum, distro_bootpart).
"""

from __future__ import annotations

from pathlib import Path

from hostio.system.runner import Command, Runner
from osmodel import slotstate, trailingchecksum
from osmodel.assessment import TRIES

FILE = "boot.scr"  # in the top directory of the FAT; U-Boot looks for this name
_PAUSE = 3  # seconds before starting again, to read the console

_TEXT = """\
# Chooses a slot, counts its try, starts its kernel image.
setenv bootargs
setenv part "${devtype} ${devnum}:${distro_bootpart}"
setenv buf0 ${kernel_addr_r}
setexpr buf1 ${buf0} + 0x1000
setexpr buf2 ${buf0} + 0x2000
if test -n "${fdt_addr}"; then setenv fdt ${fdt_addr}; else setenv fdt ${fdtcontroladdr}; fi

# Memory survives a reset: what was there must not pass for a file.
mw.b ${buf0} 0 0x3000
setenv seq0; setenv seq1; setenv seq; setenv first; setenv a; setenv b
if load ${part} ${buf1} @ONE@; then
  if env import -c ${buf1} @SIZE@ seq first a b; then setenv seq1 ${seq}; fi
fi
if load ${part} ${buf0} @ZERO@; then
  if env import -c ${buf0} @SIZE@ seq first a b; then setenv seq0 ${seq}; fi
fi
setenv order "@ZERO@ @ONE@"
if test -n "${seq0}"; then
  if test -n "${seq1}"; then
    setexpr ahead 0x${seq1} - 0x${seq0}
    setexpr ahead 0x${ahead} "&" 0xffff
    if test 0x${ahead} -ge 0x8000; then
      setenv order "@ONE@ @ZERO@"
    else
      if test 0x${ahead} -gt 0; then env import -c ${buf1} @SIZE@ seq first a b; fi
    fi
  else
    setenv order "@ONE@ @ZERO@"
  fi
else
  if test -z "${seq1}"; then
    echo "twinkeel: no slot state, both slots get @TRIES@ tries"
    setenv seq 0; setenv first a; setenv a @TRIES@; setenv b @TRIES@
  fi
fi
if test "${first}" = b; then setenv slots "b a"; else setenv slots "a b"; fi

# A damaged image can crash U-Boot instead of being refused.
setenv whole 'crc32 ${ramdisk_addr_r} ${filesize} ${buf2} && mw.l ${buf1} @RESIDUE@ && \
cmp.l ${buf2} ${buf1} 1'

# Works on: slot.
setenv start 'echo "twinkeel: starting slot ${slot}"; load ${part} ${ramdisk_addr_r} \
EFI/Linux/twinkeel_${slot}.efi && run whole && bootefi ${ramdisk_addr_r} ${fdt}; \
echo "twinkeel: slot ${slot} does not start"'

# Works on: seq first a b order. Sets: saved.
setenv save_state 'setenv saved; setexpr seq 0x${seq} + 1; setexpr seq 0x${seq} "&" 0xffff; \
env export -c -s @SIZE@ ${buf0} seq first a b; \
for file in ${order}; do if save ${part} ${buf0} ${file} @SIZE@; then \
mw.b ${buf2} 0 @SIZE@; if load ${part} ${buf2} ${file}; then \
if cmp.b ${buf0} ${buf2} @SIZE@; then setenv saved 1; fi; fi; fi; done'

# A loop's own name must not be that of a variable: the variable would win.
for one in ${slots}; do
  setenv slot ${one}
  if test ${slot} = a; then setenv mark ${a}; else setenv mark ${b}; fi
  if test "${mark}" = good; then run start; fi
  if test "${mark}" -gt 0; then
    setexpr left ${mark} - 1
    if test ${slot} = a; then setenv a ${left}; else setenv b ${left}; fi
    run save_state
    if test -n "${saved}"; then
      echo "twinkeel: slot ${slot} has ${left} tries after this one"
      run start
      sleep @PAUSE@
      reset
    fi
    echo "twinkeel: the try of slot ${slot} cannot be counted"
  fi
done
echo "twinkeel: no slot is left, starting what loads"
setenv whole true
for one in ${slots}; do setenv slot ${one}; run start; done
sleep @PAUSE@
reset
"""


def boot_script() -> str:
    """The text, as U-Boot's shell reads it."""
    values = {
        "ZERO": slotstate.COPIES[0],
        "ONE": slotstate.COPIES[1],
        "SIZE": f"{slotstate.SIZE:#x}",
        "TRIES": str(TRIES),
        "PAUSE": str(_PAUSE),
        # U-Boot stores a checksum with its first byte first, and mw.l with its last.
        "RESIDUE": trailingchecksum.RESIDUE.to_bytes(4, "little").hex(),
    }
    text = _TEXT
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def mkimage_command(source: Path, out: Path, epoch: int) -> Command:
    """The call that wraps the script, with a checksum and a fixed time.

    Args:
        source: the text.
        out: ``boot.scr``.
        epoch: time in its header, seconds since 1970.
    """
    return Command(
        [
            *("mkimage", "-A", "arm64", "-O", "linux", "-T", "script", "-C", "none"),
            *("-n", "twinkeel", "-d", str(source), str(out)),
        ],
        env={"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"},
    )


def make_boot_script(tools: Runner, out: Path, epoch: int) -> None:
    """Write ``boot.scr``; its neighbour ``NAME.cmd`` is used on the way.

    Args:
        tools: runs mkimage.
        out: file to write.
        epoch: time in its header, seconds since 1970.

    Raises:
        HostFailure: mkimage failed.
    """
    source = out.with_name(f"{out.name}.cmd")
    source.write_text(boot_script())
    tools.run(mkimage_command(source, out, epoch))
    source.unlink()
