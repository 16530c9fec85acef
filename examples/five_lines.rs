//! A picture in five lines.

fn main() -> fractal::Result<()> {
    let mut scene = fractal::Scene::load("jewel")?;
    scene.set("image.size=1280x720")?;
    let picture = fractal::render(&scene)?;
    picture.save("output/five_lines.png")?;
    println!("output/five_lines.png: {} × {} pixels", picture.width, picture.height);
    Ok(())
}
