"""The measures of the other pages: of networks, of maps, of images under changes, and of what filters share."""

from app.methods.entries import Method

# fmt: off
ATTENTION: dict[str, Method] = {
    "attention": Method(
        "Attention in a region", "Which share of a map's evidence lies inside a box, near a part, or in a region you draw?",
        r"s = \frac{\sum_{(i,j) \in R} \max(M_{ij}, 0)}{\sum_{ij} \max(M_{ij}, 0)}",
        "R: the region. From 0 to 1; a uniform map scores the region's share of the area.",
        "Of signed maps the positive part counts; the map is interpolated linearly to the image's pixels, as it is drawn. A "
        "part is a disc around its point. Birds: head is the discs around beak, crown, forehead, eyes, nape and throat "
        "inside the box, body the rest of the box, background what is outside it. Per epoch, with a 95% interval over "
        "the images, against a uniform map, a random one and the centre prior.",
        ("Looking inside the box is not the same as looking at the right thing, nor for the right reason.",
         "Objects tend to be in the middle: compare with the centre prior.",
         "Coarse maps spill over the border of small regions."),
        ("wang2020", "wah")),
    "centre-prior": Method(
        "Centre prior", "What would a map score that knows nothing but where photographers put things?",
        r"M_{ij} = \exp\!\big(-d_{ij}^2 / 2\sigma^2\big)",
        "d: distance from the middle of the image; σ: a quarter of its side.", "",
        ("Beating it on average does not mean to beat it on every image.",), ()),
    "uniform-map": Method(
        "Uniform map", "What would a map score that is the same everywhere?", r"M_{ij} = 1",
        "Its share in a region is the region's share of the area.", "", (), ()),
    "interval": Method(
        "95% interval", "How far would a mean over other images of the same kind lie from this one?",
        r"\bar s \pm t_{n-1}\, \frac{s}{\sqrt{n}}",
        "n: images; s: their standard deviation (ddof 1); t: Student's, 97.5%.", "",
        ("About other images, not about other trainings: those vary besides.",), ("student",)),
    "drift": Method(
        "Drift", "How much does a map change from one epoch to the next?", r"1 - \rho(M_e,\, M_{e-1})",
        "ρ: Spearman's correlation. 0: the same order of positions.", "",
        ("Also changes where the network does not look any more than before: noise drifts.",), ("spearman",)),
    "settling": Method(
        "Settling epoch", "From which epoch on do maps stay as they will be at the end?",
        r"\min\{e : \rho(M_{e'}, M_{last}) \ge \tau \;\; \forall e' \ge e\}", "ρ: Spearman's correlation; τ = 0.9.", "",
        ("By definition at the latest the last epoch: a late one may mean that the training was too short.",), ()),
}

NETWORK: dict[str, Method] = {
    "accuracy": Method(
        "Accuracy", "Which share of the images is taken for what it is?",
        r"\frac{1}{n}\sum_i \mathbb{1}\big[\arg\max_c S^c(x_i) = y_i\big]", "y: the true class.", "",
        ("Of unequal classes, the large ones decide.",), ()),
    "loss": Method(
        "Cross entropy", "How surprised is the network by the true classes?", r"-\frac{1}{n}\sum_i \ln p^{y_i}(x_i)",
        "In nats; ln K is guessing among K classes.", "", ("One image that is confidently wrong weighs a lot.",), ()),
    "precision": Method(
        "Precision", "Of the images taken for a class, which share is of it?", r"\frac{TP}{TP + FP}",
        "TP: of the class and taken for it; FP: of others, but taken for it.", "Undefined (–) where nothing is.",
        ("Says nothing of those that were missed.",), ()),
    "recall": Method(
        "Recall", "Of the images of a class, which share is taken for it?", r"\frac{TP}{TP + FN}",
        "FN: of the class, but taken for others.",
        "What the Remove and Retrain report calls precision.",
        ("A network that always answers this class has 100%.",), ()),
    "f1": Method(
        "F1", "How good are precision and recall together?", r"\frac{2\, TP}{2\, TP + FP + FN}",
        "Harmonic mean of both.", "", ("Ignores what is rightly taken for no member of the class.",), ()),
    "confusion": Method(
        "Confusion matrix", "Which classes are taken for which?", r"C_{ab} = |\{i : y_i = a,\ \hat y_i = b\}|",
        "Rows: true classes; columns: predicted ones.",
        "With many classes, those often confused stand side by side (average linkage).", (), ()),
    "cases": Method(
        "Recommended cases", "Which images of a class should one look at first?", "",
        "Right, taken for it, missed: each list by the probability of the predicted class, highest first.",
        "By the latest finished epoch, so that nothing moves while one looks; ties keep the order of the images.",
        ("The most confident are not typical ones.",), ("saliencnn",)),
    "confidence": Method(
        "Confidence", "How sure is the network of what it says?", r"\max_c \frac{e^{S^c}}{\sum_k e^{S^k}}",
        "The largest probability.", "", ("Trained networks are often surer than they are right.",), ()),
    "disagreement": Method(
        "Disagreement of runs", "On which images do runs say different things?",
        r"H\Big(\tfrac{1}{R}\sum_r p_r\Big) - \tfrac{1}{R}\sum_r H(p_r)",
        "H: entropy; divided by its largest value, ln R unless there are fewer classes than runs. 0: all say the same, 1: each "
        "is certain of another class.", "",
        ("Runs may agree and all be wrong.",), ("lin",)),
    "half-evidence": Method(
        "Half of the evidence", "How concentrated is a map?", r"\min \frac{|R|}{hw} : \sum_{R} M^+ \ge \tfrac12 \sum M^+",
        "M⁺: its positive part; 50% where it is the same everywhere.", "",
        ("Depends on the resolution: a coarse map cannot be concentrated.",), ()),
}

VIEWS: dict[str, Method] = {
    "t-sne": Method(
        "t-SNE", "Which images are alike to the network, just before its last layer?",
        r"\min \sum_{i \ne j} p_{ij} \ln \frac{p_{ij}}{q_{ij}}",
        "p: neighbourhoods among the features, of about as many images as the perplexity says; q: on the map.",
        "50 principal components first; each epoch starts from the one before, or anew where those lie apart and that is better, "
        "and is turned to fit it (Procrustes).",
        ("Sizes of clusters and distances between them mean nothing; noise shows clumps too (Wattenberg et al. 2016).",
         "Another perplexity, another map. Evidence is the list of true neighbours beside it."),
        ("maaten", "wattenberg")),
    "trustworthiness": Method(
        "Trustworthiness", "Are neighbours on the map neighbours among the features?",
        r"1 - \frac{2}{nk(2n - 3k - 1)} \sum_i \sum_{j \in U_k(i)} \big(r(i, j) - k\big)",
        "U: the k nearest on the map that are not so by features, r: their rank by features. About 0.5 by chance.", "",
        ("Says nothing of neighbours that were torn apart.",), ("venna",)),
    "neighbours": Method(
        "Nearest neighbours", "Which images are really alike to the network?", r"\|\phi(x_i) - \phi(x_j)\|_2",
        "φ: what the last linear layer reads.", "Exact, in all dimensions.", ("Large features decide.",), ()),
    "pattern": Method(
        "Neural pattern", "Which filters, layer by layer, do several images have as their strongest?",
        r"s(x) = \big(\arg\max_k a^1_k,\ \ldots,\ \arg\max_k a^L_k\big)",
        "a: a filter's reduced answer. A pattern is a sub-sequence shared by five images or more, with these images.",
        "The paper leaves open how a map becomes one number and whether layers may be skipped: the recipe says so. Closed "
        "patterns only: no longer one has the same images.",
        ("One filter a layer is little of what a layer says.", "Filters with large values win unless answers are z-scored.",
         "Patterns of two epochs cannot be compared by their numbers."),
        ("vatun", "pasquier")),
    "support": Method("Support", "How many images have a pattern?", r"|\{x : pattern \subseteq s(x)\}|", "", "", (), ("vatun",)),
    "lift": Method(
        "Lift", "Is a pattern more frequent than it would be if layers were independent?",
        r"\frac{support}{n \prod_l P(k_l)}", "P: share of images with that filter as the layer's strongest; 1: as expected.",
        "", ("Neighbouring layers never are independent: a lift above 1 is no surprise by itself.",), ("brin",)),
    "p-value": Method(
        "p-value of a pattern", "In how many shuffled data sets do as many images have it?", r"\frac{b + 1}{B + 1}",
        "b of B shuffled data sets.", "",
        ("Each pattern by itself: among thousands, some are small by chance.",), ("phipson",)),
    "ablation": Method(
        "Ablation", "What does the network say without some of its filters?", r"f(x) \text{ with } a_k := 0",
        "Beside it, without as many filters of the same layers drawn at random.", "",
        ("To leave out anything does some harm: only the difference from the random ones counts.",), ("morcos",)),
    "changes": Method(
        "Changes of images", "What does a prediction, or a class, withstand?", "",
        "Rotation, flips, brightness, contrast, saturation, hue, blur, noise, a removed region: in pixel space [0, 1], "
        "before the normalisation, always in this order.",
        "Testing changes one image by hand; Simulation every image along every change. Both use the same functions.",
        ("A turned image needs corners: mirrored ones are a change of their own.",), ("vatun",)),
    "fgsm": Method(
        "FGSM attack", "How far must every value be moved, in the worst direction, until the prediction changes?",
        r"x' = \mathrm{clip}_{[0, 1]}\big(x + \epsilon\, \mathrm{sign}\, \nabla_x L(x, y)\big)",
        "ε in k/255 of pixel space; L: cross entropy of the class y that is attacked.",
        "The normalisation belongs to the model. The share of values without a gradient is told.",
        ("One step: stronger attacks exist.", "A saturated network has no gradients and looks robust."), ("goodfellow",)),
    "withstands": Method(
        "What a class withstands", "Along which change do recognised images stay recognised?", "",
        "The stretch around the identity in which at least 80% of the recognised images stay so.", "",
        ("Averages hide that some images break at once: see those that break first.",), ("vatun",)),
}
# fmt: on
