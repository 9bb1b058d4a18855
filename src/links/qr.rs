//! The URL of a link as a QR code. Pure.

use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, EcLevel, QrCode};

use crate::contract::{Reason, Violation, Violations};
use crate::pb;
use crate::pb::render_qr_code_request::{ErrorCorrection, Format};

/// How wide and high an image is, where nothing is said, in pixels.
const SIZE_DEFAULT: u32 = 512;
/// How wide and high an image is at least, in pixels.
const SIZE_MIN: u32 = 64;
/// The light border that readers need, in modules: ISO/IEC 18004, 6.3.8.
const QUIET: u32 = 4;

/// A code, and where it stands in its image.
struct Drawing {
    code: QrCode,
    /// How many modules wide it is, with its border.
    modules: u32,
    size: u32,
}

/// Draws a URL as the request wants it.
pub(super) fn render(
    url: String,
    request: &pb::RenderQrCodeRequest,
) -> Result<pb::RenderQrCodeResponse, Violations> {
    let refused =
        |field: &str, text: String| Violations(vec![Violation::new(field, Reason::Range, text)]);
    let level = match request.error_correction() {
        ErrorCorrection::Low => EcLevel::L,
        ErrorCorrection::Unspecified | ErrorCorrection::Medium => EcLevel::M,
        ErrorCorrection::Quartile => EcLevel::Q,
        ErrorCorrection::High => EcLevel::H,
    };
    let code = QrCode::with_error_correction_level(&url, level)
        .map_err(|_| refused("options", "make a URL that no QR code can hold".to_owned()))?;
    let modules = u32::try_from(code.width()).unwrap_or(u32::MAX).saturating_add(2 * QUIET);
    let size = u32::try_from(request.size).ok().filter(|size| *size > 0).unwrap_or(SIZE_DEFAULT);
    let least = modules.max(SIZE_MIN);
    if size < least {
        return Err(refused("size", format!("must be {least} at least for this URL")));
    }
    let drawing = Drawing { code, modules, size };
    let (image, content_type) = match request.format() {
        Format::Unspecified | Format::Svg => (drawing.svg().into_bytes(), "image/svg+xml"),
        Format::Png => (drawing.png(), "image/png"),
    };
    Ok(pb::RenderQrCodeResponse { image, content_type: content_type.to_owned(), url })
}

// === impl Drawing ===

impl Drawing {
    /// Whether a module is dark. The border is not.
    fn is_dark(&self, x: u32, y: u32) -> bool {
        let inner = |at: u32| at.checked_sub(QUIET).filter(|at| *at < self.modules - 2 * QUIET);
        let (Some(x), Some(y)) = (inner(x), inner(y)) else { return false };
        // Both are below the code's width.
        self.code[(x as usize, y as usize)] == Color::Dark
    }

    fn svg(&self) -> String {
        use std::fmt::Write as _;
        let Self { modules, size, .. } = self;
        let mut path = String::new();
        for y in 0..*modules {
            let mut x = 0;
            while x < *modules {
                let run = (x..*modules).take_while(|x| self.is_dark(*x, y)).count();
                if run > 0 {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
                }
                x += u32::try_from(run).unwrap_or(u32::MAX).max(1);
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{size}\" height=\"{size}\" \
             viewBox=\"0 0 {modules} {modules}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{modules}v{modules}H0z\"/>\
             <path fill=\"#000\" d=\"{path}\"/></svg>"
        )
    }

    /// One bit for each pixel. Modules are whole pixels; what is left over goes
    /// around the border.
    fn png(&self) -> Vec<u8> {
        let scale = self.size / self.modules;
        let margin = (self.size - scale * self.modules) / 2;
        let module = |pixel: u32| pixel.checked_sub(margin).map(|pixel| pixel / scale);
        let mut pixels = Vec::new();
        for y in 0..self.size {
            let mut byte = 0_u8;
            for x in 0..self.size {
                let dark = match (module(x), module(y)) {
                    (Some(x), Some(y)) => self.is_dark(x, y),
                    _ => false,
                };
                byte = byte << 1 | u8::from(!dark);
                if x % 8 == 7 {
                    pixels.push(byte);
                    byte = 0;
                }
            }
            let rest = self.size % 8;
            if rest > 0 {
                pixels.push(byte << (8 - rest));
            }
        }
        let mut image = Vec::new();
        let mut encoder = Encoder::new(&mut image, self.size, self.size);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::One);
        // Memory takes all that is written, and the rows are as long as was said.
        let written =
            encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        debug_assert!(written.is_ok(), "{written:?}");
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://buy.stripe.com/test_abc?client_reference_id=cart_7&locale=de";

    fn asked(format: Format, size: i32, level: ErrorCorrection) -> pb::RenderQrCodeRequest {
        pb::RenderQrCodeRequest {
            id: "plink_1".into(),
            format: format.into(),
            size,
            error_correction: level.into(),
            ..Default::default()
        }
    }

    /// Reads an image of dark and light by a program that is not ours.
    fn read(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
        let grey = |x, y| if is_dark(x, y) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(size, size, grey);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "one code is seen");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn an_independent_reader_reads_the_png_in_every_size_and_correction() {
        use ErrorCorrection::{High, Low, Medium, Quartile, Unspecified};
        for level in [Unspecified, Low, Medium, Quartile, High] {
            for size in [0, 120, 333, 512, 1024] {
                let drawn = render(URL.to_owned(), &asked(Format::Png, size, level)).unwrap();
                assert_eq!(drawn.content_type, "image/png");
                let mut decoder = png::Decoder::new(std::io::Cursor::new(drawn.image));
                decoder.set_transformations(png::Transformations::EXPAND);
                let mut reader = decoder.read_info().unwrap();
                let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
                let info = reader.next_frame(&mut pixels).unwrap();
                let width = info.width as usize;
                assert_eq!(i64::from(info.width), if size == 0 { 512 } else { i64::from(size) });
                assert_eq!(
                    read(width, |x, y| pixels[y * width + x] < 128),
                    URL,
                    "{size} {level:?}"
                );
            }
        }
    }

    #[test]
    fn an_independent_reader_reads_the_svg() {
        let level = ErrorCorrection::Medium;
        let drawn = render(URL.to_owned(), &asked(Format::Svg, 256, level)).unwrap();
        let svg = String::from_utf8(drawn.image).unwrap();
        assert_eq!(drawn.content_type, "image/svg+xml");
        let (_, view) = svg.split_once("viewBox=\"0 0 ").unwrap();
        let modules: usize = view.split(' ').next().unwrap().parse().unwrap();
        let (_, path) = svg.rsplit_once("d=\"").unwrap();
        let mut dark = vec![false; modules * modules];
        for run in path.split('M').skip(1) {
            let (at, rest) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let run: usize = rest.split('v').next().unwrap().parse().unwrap();
            dark[y * modules + x..][..run].fill(true);
        }
        let scale = 8;
        let is_dark = |x: usize, y: usize| dark[y / scale * modules + x / scale];
        assert_eq!(read(modules * scale, is_dark), URL);
    }

    #[test]
    fn a_code_too_small_to_be_read_is_refused() {
        let level = ErrorCorrection::High;
        let refused = render(URL.repeat(10), &asked(Format::Png, 100, level)).unwrap_err();
        assert_eq!(refused.0[0].field, "size");
        let refused = render("x".repeat(8_000), &asked(Format::Svg, 0, level)).unwrap_err();
        assert_eq!(refused.0[0].field, "options");
    }
}
