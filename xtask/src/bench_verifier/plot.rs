//! Plots of what verification costs, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::table::Row;

/// Pixels of a decade, on either axis.
const DECADE: f64 = 115.0;
/// Pixels of labels and margins.
const AROUND: (f64, f64) = (106.0, 110.0);

/// Measurements of programs of one kind: slots and microseconds.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Number of the kind, for the colour.
    pub kind: usize,
    /// Whether the line is of Linux's verifier.
    pub linux: bool,
}

const COLORS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(90, 90, 90),
];

/// Both axes are logarithmic: cost that grows linearly is a line at 45 degrees.
pub fn growth(path: &Path, series: &[Series]) -> Result<()> {
    let points = || series.iter().flat_map(|series| series.points.iter().copied());
    let (x, y) = (bounds(points().map(|p| p.0)), bounds(points().map(|p| p.1)));
    let area = SVGBackend::new(path, size(x, y)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Time of verification by size", ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(78)
        .build_cartesian_2d((x.0..x.1).log_scale(), (y.0..y.1).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("slots")
        .y_desc("microseconds")
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .light_line_style(RGBColor(238, 238, 238))
        .draw()?;
    // A microsecond for each ten slots, for the eye.
    let (from, to) = (x.0.max(y.0 * 10.0), x.1.min(y.1 * 10.0));
    let guide = [(from, from / 10.0), (to, to / 10.0)];
    chart
        .draw_series(LineSeries::new(guide, RGBColor(190, 190, 190)))?
        .label("0.1 us a slot")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RGBColor(190, 190, 190)));
    for line in series {
        let color = COLORS[line.kind % COLORS.len()];
        let style = if line.linux { color.mix(0.35) } else { color.mix(1.0) };
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style.stroke_width(2)))?
            .label(line.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style.stroke_width(2)));
        let dots = line.points.iter().map(|point| Circle::new(*point, 3, style.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    finish(&area)
}

/// Each program a dot: Linux's time to the right, ours upwards.
pub fn comparison(path: &Path, rows: &[Row]) -> Result<()> {
    let dots: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let agree = row.verdict == "accepted" && row.linux_verdict == "accepted";
            Some(((row.linux_time_us?.max(1.0), row.time_us?), agree))
        })
        .collect();
    let all = bounds(dots.iter().flat_map(|((x, y), _)| [*x, *y]));
    let area = SVGBackend::new(path, size(all, all)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Time of verification beside Linux's", ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(78)
        .build_cartesian_2d((all.0..all.1).log_scale(), (all.0..all.1).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("Linux, microseconds")
        .y_desc("kbpf, microseconds")
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .light_line_style(RGBColor(238, 238, 238))
        .draw()?;
    for (at, (factor, name)) in [(1.0_f64, "as long"), (0.1, "a tenth")].into_iter().enumerate() {
        let shade = RGBColor(160, 160, 160).mix(if at == 0 { 1.0 } else { 0.5 });
        chart
            .draw_series(LineSeries::new(
                [(all.0 / factor, all.0), (all.1, all.1 * factor)],
                shade,
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], shade));
    }
    for (agree, color, name) in
        [(true, COLORS[0], "both accept"), (false, COLORS[1], "another verdict")]
    {
        let of_kind = dots.iter().filter(|(_, a)| *a == agree);
        let circles = of_kind.map(|(point, _)| Circle::new(*point, 3, color.mix(0.6).filled()));
        chart
            .draw_series(circles)?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 9, y), 3, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    finish(&area)
}

fn finish(area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
    area.present().map_err(|error| anyhow!("{error}"))
}

/// Width and height in pixels of a plot over these bounds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
fn size(x: (f64, f64), y: (f64, f64)) -> (u32, u32) {
    let pixels = |bounds: (f64, f64), around: f64| {
        let decades = (bounds.1 / bounds.0).log10();
        (decades * DECADE + around).clamp(300.0, 3000.0) as u32
    };
    (pixels(x, AROUND.0), pixels(y, AROUND.1))
}

/// The decades around some figures.
fn bounds(figures: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = figures
        .filter(|figure| *figure > 0.0)
        .fold((f64::MAX, f64::MIN), |(a, b), figure| (a.min(figure), b.max(figure)));
    if least > most {
        return (1.0, 10.0);
    }
    (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()))
}

fn tick(value: f64) -> String {
    if value >= 1e6 {
        format!("{} M", value / 1e6)
    } else if value >= 1e3 {
        format!("{} k", value / 1e3)
    } else {
        format!("{value}")
    }
}
