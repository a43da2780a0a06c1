//! Cards that no vendor's tool names: as Vulkan and the kernel do.

use std::path::Path;

/// Name and memory in GiB.
pub(super) type Card = (String, f64);

const GIB: f64 = (1_u64 << 30) as f64;

/// Discrete cards of `vulkaninfo`, each with its largest heap on the card.
pub(super) fn vulkan(text: &str) -> Vec<Card> {
    let mut cards: Vec<Card> = Vec::new();
    let (mut name, mut discrete, mut size) = (String::new(), false, 0.0);
    for line in text.lines().map(str::trim) {
        let value = |key: &str| {
            let rest = line.strip_prefix(key)?.trim_start();
            Some(rest.strip_prefix('=')?.trim())
        };
        if let Some(kind) = value("deviceType") {
            discrete = kind.ends_with("DISCRETE_GPU");
        }
        if let Some(said) = value("deviceName") {
            name = said.to_owned();
            // A card that two drivers name is one card.
            if discrete && !cards.iter().any(|(known, _)| bare(known) == bare(&name)) {
                cards.push((name.clone(), 0.0));
            }
        }
        if let Some(bytes) = value("size") {
            let bytes = bytes.split(' ').next().unwrap_or_default();
            size = bytes.parse::<f64>().unwrap_or(0.0) / GIB;
        }
        if line.contains("MEMORY_HEAP_DEVICE_LOCAL_BIT")
            && let Some((known, memory)) = cards.last_mut()
            && *known == name
        {
            *memory = memory.max(size);
        }
    }
    cards.retain(|(_, memory)| *memory > 0.0);
    cards
}

/// A name without the driver's in brackets.
fn bare(name: &str) -> &str {
    name.split(" (").next().unwrap_or(name).trim()
}

/// Cards of the kernel's `amdgpu`, below `/sys/class/drm`.
pub(super) fn sysfs(root: &Path) -> Vec<Card> {
    let mut folders: Vec<_> =
        std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let card = |folder: &std::path::PathBuf| {
        let name = folder.file_name()?.to_str()?;
        // `card0-DP-1` is a socket of card0.
        name.strip_prefix("card")?.parse::<u32>().ok()?;
        let read = |file: &str| std::fs::read_to_string(folder.join("device").join(file)).ok();
        let bytes = read("mem_info_vram_total")?.trim().parse::<f64>().ok()?;
        let name = read("product_name").map(|name| name.trim().to_owned());
        let name = name
            .filter(|name| !name.is_empty())
            .or_else(|| Some(format!("AMD card {}", read("device")?.trim())))?;
        Some((name, bytes / GIB))
    };
    folders.iter().filter_map(card).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vulkans_discrete_cards_have_their_own_memory() {
        let text = "GPU0:\n\tdeviceType        = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU\n\
            \tdeviceName        = AMD Radeon RX 7900 XTX (RADV NAVI31)\n\
            memoryHeaps: count = 2\n\tmemoryHeaps[0]:\n\
            \t\tsize   = 25753026560 (0x5ff000000) (23.98 GiB)\n\t\tflags: count = 1\n\
            \t\t\tMEMORY_HEAP_DEVICE_LOCAL_BIT\n\tmemoryHeaps[1]:\n\
            \t\tsize   = 67108864000 (0x0) (62.50 GiB)\n\t\tflags:\n\t\t\tNone\n\
            GPU1:\n\tdeviceType = PHYSICAL_DEVICE_TYPE_CPU\n\tdeviceName = llvmpipe\n\
            \t\tsize   = 99999999999\n\t\t\tMEMORY_HEAP_DEVICE_LOCAL_BIT\n";
        let cards = vulkan(text);
        assert_eq!(cards.len(), 1, "{cards:?}");
        assert!(cards[0].0.contains("7900 XTX") && (cards[0].1 - 23.98).abs() < 0.01, "{cards:?}");
        assert!(vulkan("").is_empty());
    }

    #[test]
    fn the_kernels_cards_have_names_and_memory() {
        let folder = tempfile::tempdir().unwrap();
        for (card, name) in [("card0", "Radeon RX 6800 XT\n"), ("card1", ""), ("card0-DP-1", "x")] {
            let device = folder.path().join(card).join("device");
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("product_name"), name).unwrap();
            std::fs::write(device.join("device"), "0x73bf\n").unwrap();
            std::fs::write(device.join("mem_info_vram_total"), "17163091968\n").unwrap();
        }
        let cards = sysfs(folder.path());
        let names: Vec<&str> = cards.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Radeon RX 6800 XT", "AMD card 0x73bf"]);
        assert!((cards[0].1 - 15.98).abs() < 0.01, "{cards:?}");
        assert!(sysfs(Path::new("/no/such/folder")).is_empty());
    }
}
