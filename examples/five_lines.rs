//! A picture in five lines.

fn main() -> fractal::Result<()> {
    let scene = fractal::Scene::load("jewel")?.edit().size(1280, 720).build()?;
    let picture = fractal::render(&scene)?;
    picture.save("output/five_lines.png")?;
    println!("output/five_lines.png: {} × {} pixels", picture.width, picture.height);
    Ok(())
}
