//! What the window must know about an X display before it opens there, and what the desktop should know about the window. The toolkit
//! offers neither, and frees memory twice on a display that it refuses, which is why the display is examined here first.

use super::super::pixels::Pixels;
use super::NoWindow;
use std::ffi::{CStr, c_int, c_ulong};
use x11_dl::xlib::{self, Xlib};

/// Dots per inch of a screen with the usual density.
const USUAL: f64 = 96.0;

/// Our own connection to the display.
struct Connection {
    lib: Xlib,
    display: *mut xlib::Display,
}

impl Connection {
    #[allow(unsafe_code)]
    fn open() -> Result<Self, NoWindow> {
        let lib = Xlib::open().map_err(|error| NoWindow::NoDisplay(format!("libX11 cannot be loaded: {error}")))?;
        // SAFETY: Xlib allows a null name, which stands for the value of DISPLAY.
        let display = unsafe { (lib.XOpenDisplay)(std::ptr::null()) };
        if display.is_null() {
            let name = std::env::var_os("DISPLAY").filter(|name| !name.is_empty());
            return Err(NoWindow::NoDisplay(match name {
                None => "DISPLAY is not set".into(),
                Some(name) => format!("the display `{}` cannot be reached", name.to_string_lossy()),
            }));
        }
        Ok(Self { lib, display })
    }

    /// The bits that a pixel of this depth takes.
    #[allow(unsafe_code)]
    fn bits(&self, depth: c_int) -> Option<c_int> {
        let mut count = 0;
        // SAFETY: the display is open, and the number of formats is written to a local variable.
        let formats = unsafe { (self.lib.XListPixmapFormats)(self.display, &mut count) };
        if formats.is_null() {
            return None;
        }
        // SAFETY: it is a list of `count` formats, which is ours until it is freed below, and nothing refers to it afterwards.
        let listed = unsafe { std::slice::from_raw_parts(formats, usize::try_from(count).unwrap_or(0)) };
        let bits = listed.iter().find(|format| format.depth == depth).map(|format| format.bits_per_pixel);
        // SAFETY: Xlib has made the list for us to free, and this is the only place that does.
        unsafe { (self.lib.XFree)(formats.cast()) };
        bits
    }

    /// The desktop's settings for all its programs.
    #[allow(unsafe_code)]
    fn resources(&self) -> String {
        // SAFETY: the display is open. The text belongs to the display and stays unchanged until that is closed; it is copied at once.
        unsafe {
            let text = (self.lib.XResourceManagerString)(self.display);
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        }
    }
}

impl Drop for Connection {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: the display was opened by `open`, and only this value has its address.
        unsafe { (self.lib.XCloseDisplay)(self.display) };
    }
}

/// Checks that the window can open on the display. Returns its pixel format, and how many times as dense as usual its screen is, 0 if
/// unknown.
#[allow(unsafe_code)]
pub(super) fn examine() -> Result<(Pixels, f64), NoWindow> {
    let connection = Connection::open()?;
    let (lib, display) = (&connection.lib, connection.display);
    // SAFETY: the display is open, and the screen is its own. The visual belongs to the display, which stays open; `Visual` is declared as
    // in Xlib.h.
    let (depth, visual, is_big, width, breadth) = unsafe {
        let screen = (lib.XDefaultScreen)(display);
        (
            (lib.XDefaultDepth)(display, screen),
            *(lib.XDefaultVisual)(display, screen),
            (lib.XImageByteOrder)(display) == xlib::MSBFirst,
            (lib.XDisplayWidth)(display, screen),
            (lib.XDisplayWidthMM)(display, screen),
        )
    };
    let unfit = |what: String| {
        NoWindow::Unfit(format!("the display has {what}, but the window needs true colour of 24 bits or more"))
    };
    match connection.bits(depth) {
        Some(32) => {}
        _ => return Err(unfit(format!("{depth}-bit colour"))),
    }
    if visual.class != xlib::TrueColor && visual.class != xlib::DirectColor {
        return Err(unfit("a colour table".into()));
    }
    // A mask is a long, of which a pixel uses 32 bits.
    let masks = [visual.red_mask, visual.green_mask, visual.blue_mask].map(|mask| mask as u32);
    let pixels = Pixels::new(masks, is_big != cfg!(target_endian = "big"));
    let pixels = pixels.ok_or_else(|| {
        unfit(format!("the masks {:x}, {:x} and {:x} for red, green and blue", masks[0], masks[1], masks[2]))
    })?;
    Ok((pixels, density(&connection.resources(), width, breadth)))
}

/// The density of a screen of this many pixels and millimetres: what the desktop says, else what the server says, unless that is the value
/// servers report when they do not know.
fn density(resources: &str, pixels: c_int, millimetres: c_int) -> f64 {
    /// Servers that do not know their screen report 96 dots per inch, or something near it.
    const TELLS: f64 = 1.25;
    /// Densities outside this range are mistakes.
    const ALLOWED: std::ops::RangeInclusive<f64> = 0.25..=16.0;
    let line = resources.lines().find_map(|line| line.strip_prefix("Xft.dpi:"));
    let said = line.and_then(|dots| dots.trim().parse::<f64>().ok()).map(|dots| dots / USUAL);
    if let Some(said) = said.filter(|said| ALLOWED.contains(said)) {
        return said;
    }
    let measured = f64::from(pixels) * 25.4 / f64::from(millimetres) / USUAL;
    if ALLOWED.contains(&measured) && measured >= TELLS { measured } else { 0.0 }
}

/// Announces to the desktop whose window this is: the program's name, its machine and its process.
#[allow(unsafe_code)]
pub(super) fn introduce(window: u64, process: u32) -> Result<(), NoWindow> {
    let connection = Connection::open()?;
    let (lib, display) = (&connection.lib, connection.display);
    let host = rustix::system::uname().nodename().to_owned();
    let text = |text: &CStr| text.as_ptr().cast_mut();
    let mut class = xlib::XClassHint { res_name: text(c"fractal"), res_class: text(c"Fractal") };
    let mut machine = xlib::XTextProperty {
        value: text(&host).cast(),
        encoding: xlib::XA_STRING,
        format: 8,
        nitems: host.count_bytes() as _,
    };
    // To Xlib, 32-bit properties are longs.
    let process = c_ulong::from(process);
    // SAFETY: the display is open. The texts and numbers live until the calls return, which copy them and do not change them; `nitems` is
    // the text's length, and the last property is one long. A window that is gone is a server error, not a memory error.
    unsafe {
        (lib.XSetClassHint)(display, window as _, &mut class);
        (lib.XSetWMClientMachine)(display, window as _, &mut machine);
        let atom = (lib.XInternAtom)(display, c"_NET_WM_PID".as_ptr(), xlib::False);
        let number: *const c_ulong = &process;
        (lib.XChangeProperty)(
            display,
            window as _,
            atom,
            xlib::XA_CARDINAL,
            32,
            xlib::PropModeReplace,
            number.cast(),
            1,
        );
        (lib.XSync)(display, xlib::False);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_as_dense_as_the_desktop_says() {
        assert_eq!(density("Xft.antialias:\t1\nXft.dpi:\t192\n", 800, 203), 2.0);
        assert_eq!(density("Xft.dpi: 96", 3840, 300), 1.0);
        assert!((density("", 3840, 508) - 2.0).abs() < 1e-9);
        // Nothing is known about these.
        for (resources, pixels, millimetres) in
            [("", 1280, 339), ("Xft.dpi: much", 800, 203), ("Xft.dpi: 0", 800, 0), ("", 800, -1)]
        {
            assert_eq!(density(resources, pixels, millimetres), 0.0);
        }
    }
}
