# Step 4: kernel, initramfs and squashfs -> a BIOS-bootable ISO. Sourced by build.

make_iso() {
    local tree=$1 file=$2 version=$3 date
    date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S00)
    mkdir -p "$tree/isolinux"
    install -m 0644 /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$tree/isolinux/"
    install -m 0644 "$here/isolinux/isolinux.cfg" "$tree/isolinux/"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    # The volume id is how docker-machine reads the version of a cached ISO.
    # -no_rc: without the builder's own settings.
    xorriso -no_rc -report_about WARNING -as mkisofs \
        -volid "b2d-v$version" -rational-rock -joliet \
        --modification-date="$date" --set_all_file_dates "$date" \
        -eltorito-boot isolinux/isolinux.bin -eltorito-catalog isolinux/boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table \
        -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin \
        -output "$file" "$tree" >&2
}
